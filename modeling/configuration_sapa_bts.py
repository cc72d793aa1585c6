"""Configuration of BTS with a choice of upsampler."""

from transformers import PretrainedConfig, ResNetConfig

from .auto_class import offer_to_auto_model
from .depth_loss import check_depth_config
from .encoder_config import EncoderConfigMixin, encoder_config
from .upsampler_config import DEFAULTS, UpsamplerConfig

MAPS = 5  # at 1/2 to 1/32


class SapaBtsConfig(UpsamplerConfig, EncoderConfigMixin, ResNetConfig):
    """A ResNet encoder's configuration, BTS's decoder on it, the decoder's upsampler and the loss.

    The defaults are the paper's depth model: ResNet-50 and BTS with 512 channels, for NYU Depth V2.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "nearest" is BTS itself.
        decoder_hidden_size: Channels of the decoder's coarsest stage, a multiple of 32; finer ones have less.
        max_depth: Metres; no prediction is above, and the loss leaves out labels above.
        min_depth: Metres; the loss leaves out labels up to here.
        silog_variance_focus: Share of the squared mean that the loss forgives.
        silog_scale: Factor on the loss.
        backbone_config: The configuration of another encoder in place of ResNet, or its fields, model_type
            among them; it gives five maps, at 1/2 to 1/32. The fields of `ResNetConfig` then have no effect.
        kwargs: The other `UpsamplerFields`, and everything that `ResNetConfig` takes, but for class names:
            depth has none, and those of an ImageNet checkpoint are dropped.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value.
    """

    model_type = "sapa_bts"
    whole_types = ("resnet",)

    def __init__(
        self,
        upsampler: str = DEFAULTS["upsampler"],
        decoder_hidden_size: int = 512,
        max_depth: float = 10.0,
        min_depth: float = 0.1,
        silog_variance_focus: float = 0.85,
        silog_scale: float = 10.0,
        backbone_config: dict | PretrainedConfig | None = None,
        **kwargs,
    ):
        self.backbone_config = None if backbone_config is None else encoder_config(backbone_config, MAPS)
        self.decoder_hidden_size = decoder_hidden_size
        self.max_depth = max_depth
        self.min_depth = min_depth
        self.silog_variance_focus = silog_variance_focus
        self.silog_scale = silog_scale
        check_depth_config(self)
        for labels in ("id2label", "label2id", "num_labels"):  # an ImageNet encoder's; depth has no classes
            kwargs.pop(labels, None)
        super().__init__(upsampler=upsampler, **kwargs)
        self._check_shape()
        offer_to_auto_model(self, "modeling_sapa_bts.SapaBtsForDepthEstimation")

    def _check_shape(self) -> None:
        size = self.decoder_hidden_size
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"decoder_hidden_size must be an integer, got {size!r}.")
        if size < 32 or size % 32:
            raise ValueError(
                f"decoder_hidden_size must be a positive multiple of 32, got {size}; BTS has 512."
            )
        if len(self.hidden_sizes or ()) != 4 or self.downsample_in_first_stage:
            raise ValueError(
                "BTS needs four encoder stages at 1/4 to 1/32 of the image, so four hidden_sizes and "
                f"downsample_in_first_stage=False; got hidden_sizes={self.hidden_sizes} and "
                f"downsample_in_first_stage={self.downsample_in_first_stage}."
            )
