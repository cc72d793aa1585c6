"""Configuration of A2U matting with a choice of upsampler."""

from collections.abc import Sequence

from transformers import PretrainedConfig

from .auto_class import offer_to_auto_model
from .upsampler_config import DEFAULTS, UpsamplerConfig

STAGES = 4  # the stem at 1/1, then 1/4, 1/8 and 1/16


class SapaA2uMattingConfig(UpsamplerConfig, PretrainedConfig):
    """A2U's matting network, its loss, and the upsampler of its four steps.

    Args:
        upsampler: Name of the upsampler, see `build_upsampler`. "bilinear" is the paper's baseline.
        num_channels: The photo's three and the trimap.
        hidden_sizes: Channels of the stem and of the three stages; those of ResNet-34.
        depths: Blocks of the three stages; ResNet-34's third stage lacks its last two.
        dropout: Probability after the atrous pyramid.
        composition_weight: Share of the composition in the loss, where foregrounds and backgrounds are known.
        kwargs: The other `UpsamplerFields`, and everything that `PretrainedConfig` takes.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value, or asks for compiled code from the Hub.
    """

    model_type = "sapa_a2u_matting"

    def __init__(
        self,
        upsampler: str = DEFAULTS["upsampler"],
        num_channels: int = 4,
        hidden_sizes: Sequence[int] = (64, 64, 128, 256),
        depths: Sequence[int] = (3, 4, 4),
        dropout: float = 0.5,
        composition_weight: float = 0.5,
        **kwargs,
    ):
        super().__init__(upsampler=upsampler, **kwargs)
        self.num_channels = num_channels
        self.hidden_sizes = list(hidden_sizes)
        self.depths = list(depths)
        self.dropout = dropout
        self.composition_weight = composition_weight
        self._check()
        offer_to_auto_model(self, "modeling_sapa_a2u_matting.SapaA2uMattingForImageMatting")

    def _check(self) -> None:
        if self.num_channels != 4:
            raise ValueError(
                f"num_channels must be 4, a photo's three and its trimap, got {self.num_channels}."
            )
        sizes, depths = self.hidden_sizes, self.depths
        if len(sizes) != STAGES or min(sizes) < 1 or sizes[0] % 2:
            raise ValueError(
                f"hidden_sizes must be four positive numbers, stem first and that one even, got {sizes}."
            )
        if len(depths) != STAGES - 1 or min(depths) < 1:
            raise ValueError(f"depths must be three positive numbers of blocks, got {depths}.")
        for name in ("dropout", "composition_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {getattr(self, name)}.")


__all__ = ["SapaA2uMattingConfig"]
