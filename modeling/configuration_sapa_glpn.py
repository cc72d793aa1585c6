"""Configuration of GLPN with a choice of upsampler."""

from transformers import GLPNConfig

from .auto_class import offer_to_auto_model
from .checks import check_stages
from .depth_loss import check_depth_config
from .upsampler_config import DEFAULTS, UpsamplerConfig


class SapaGlpnConfig(UpsamplerConfig, GLPNConfig):
    """GLPN's configuration, the upsampler of its decoder and its loss.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "bilinear" is transformers' GLPN exactly.
        min_depth: Metres; the loss leaves out labels up to here. 0 leaves out just missing measurements.
        silog_variance_focus: Share of the squared mean that the loss forgives.
        silog_scale: Factor on the loss.
        kwargs: The other `UpsamplerFields`, and everything that `GLPNConfig` takes; its max_depth also
            bounds the labels of the loss.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value.
    """

    model_type = "sapa_glpn"

    def __init__(
        self,
        upsampler: str = DEFAULTS["upsampler"],
        min_depth: float = 0.0,
        silog_variance_focus: float = 0.5,
        silog_scale: float = 1.0,
        **kwargs,
    ):
        self.min_depth = min_depth
        self.silog_variance_focus = silog_variance_focus
        self.silog_scale = silog_scale
        for labels in ("id2label", "label2id", "num_labels"):  # an ImageNet encoder's; depth has no classes
            kwargs.pop(labels, None)
        super().__init__(upsampler=upsampler, **kwargs)
        check_stages(self)
        check_depth_config(self)
        offer_to_auto_model(self, "modeling_sapa_glpn.SapaGlpnForDepthEstimation")
