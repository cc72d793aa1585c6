"""What `torch.hub.load("OWNER/sapa-hf", NAME, ...)` offers: every model, and the upsamplers alone.

Nothing has to be installed but `dependencies`: the files of this checkout serve where sapa_hf is not.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

dependencies = ["torch", "transformers", "safetensors"]


def upsampler(name, guide_channels, feature_channels, **options):
    """Make an upsampler, such as `torch.hub.load(repo, "upsampler", "sapa-b", 64, 256, embedding_dim=32)`.

    Args:
        name: "sapa-b", "sapa-g", "carafe", "bilinear" ...; a wrong name lists them all.
        guide_channels: Of the high-resolution encoder feature.
        feature_channels: Of the low-resolution decoder feature.
        options: Of that upsampler, such as kernel_size, border or start.
    """
    return _modeling().build_upsampler(
        name, guide_channels=guide_channels, feature_channels=feature_channels, **options
    )


def sapa_segformer(checkpoint=None, **fields):
    """SegFormer for segmentation; see `sapa_hf.SapaSegformerConfig` for the fields."""
    return _model("SapaSegformer", "SemanticSegmentation", checkpoint, fields)


def sapa_mask2former(checkpoint=None, **fields):
    """Mask2Former; see `sapa_hf.SapaMask2FormerConfig` for the fields."""
    return _model("SapaMask2Former", "UniversalSegmentation", checkpoint, fields)


def sapa_maskformer(checkpoint=None, **fields):
    """MaskFormer; see `sapa_hf.SapaMaskFormerConfig` for the fields."""
    return _model("SapaMaskFormer", "UniversalSegmentation", checkpoint, fields)


def sapa_segnet(checkpoint=None, **fields):
    """SegNet for segmentation; see `sapa_hf.SapaSegNetConfig` for the fields."""
    return _model("SapaSegNet", "SemanticSegmentation", checkpoint, fields)


def sapa_upernet(checkpoint=None, **fields):
    """UperNet for segmentation; see `sapa_hf.SapaUperNetConfig` for the fields."""
    return _model("SapaUperNet", "SemanticSegmentation", checkpoint, fields)


def sapa_bts(checkpoint=None, **fields):
    """BTS for depth; see `sapa_hf.SapaBtsConfig` for the fields."""
    return _model("SapaBts", "DepthEstimation", checkpoint, fields)


def sapa_a2u_matting(checkpoint=None, **fields):
    """A2U's network for matting; see `sapa_hf.SapaA2uMattingConfig` for the fields."""
    return _model("SapaA2uMatting", "ImageMatting", checkpoint, fields)


def sapa_faster_rcnn(checkpoint=None, **fields):
    """Faster R-CNN for detection, which needs torchvision; see `sapa_hf.SapaFasterRcnnConfig`."""
    return _model("SapaFasterRcnn", "ObjectDetection", checkpoint, fields)


def sapa_glpn(checkpoint=None, **fields):
    """GLPN for depth; see `sapa_hf.SapaGlpnConfig` for the fields."""
    return _model("SapaGlpn", "DepthEstimation", checkpoint, fields)


def _model(name: str, task: str, checkpoint: str | None, fields: dict):
    """Make a model with random weights, or load it.

    Args:
        name: Its class, without the task.
        task: The rest of its class.
        checkpoint: A folder or a Hub id, whose weights start it; None starts from random ones.
        fields: Of its config; with a Hub id also `revision`.
    """
    modeling = _modeling()
    model_class = getattr(modeling, f"{name}For{task}")
    if checkpoint is None:
        return model_class(getattr(modeling, f"{name}Config")(**fields))
    return model_class.from_pretrained(checkpoint, **fields)


def _modeling() -> ModuleType:
    """Import the package of models: sapa_hf's, else this checkout's modeling/ under a name of its own."""
    try:
        import sapa_hf.modeling

        return sapa_hf.modeling
    except ImportError:  # not installed; a checkout's sapa_hf/ alone cannot be imported
        name, folder = "sapa_modeling", Path(__file__).parent / "modeling"
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
        return sys.modules[name]
