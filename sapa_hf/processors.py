"""transformers' image processors: those on PIL where torchvision is absent, without a warning for each."""

from transformers.utils import is_torchvision_available

if is_torchvision_available():
    from transformers import DPTImageProcessor, GLPNImageProcessor, SegformerImageProcessor
else:
    from transformers import DPTImageProcessorPil as DPTImageProcessor
    from transformers import GLPNImageProcessorPil as GLPNImageProcessor
    from transformers import SegformerImageProcessorPil as SegformerImageProcessor

__all__ = ["DPTImageProcessor", "GLPNImageProcessor", "SegformerImageProcessor"]
