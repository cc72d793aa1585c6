"""What all upsamplers have in common: how they are called, checked and initialised."""

import torch
import torch.nn.functional as F
from torch import nn

from .checks import check_sizes


class GuidedUpsampler(nn.Module):
    """Bring a feature to the size of its guide; subclasses say how.

    Attributes:
        reassembles: The output sums feature positions with weights shared by all channels. Then `forward`
            takes a third argument, another map to assemble instead of the feature, and 1 x 1 convolutions
            without bias may run before it.
        doubles: The weights are made for a factor of two: the guide must be twice as large as the feature, or
            a pixel less along an axis whose size is odd, as encoders that halve their maps give it.

    Args:
        guide_channels: Channels Cg of the guide, the paper's encoder feature Y.
        feature_channels: Channels Cf of the feature, the paper's decoder feature X.
    """

    reassembles = False
    doubles = False

    def __init__(self, guide_channels: int, feature_channels: int):
        super().__init__()
        self.guide_channels, self.feature_channels = guide_channels, feature_channels
        # transformers initialises only modules that have tensors of their own. Without one it would skip
        # `reset_parameters`, and the layers would keep the model's usual first weights.
        self.register_buffer("marker", torch.empty(0), persistent=False)

    def reset_parameters(self) -> None:
        """Initialise the parameters, as the operator's authors do; there are none by default."""

    def kernels(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Give the weights that the output is assembled with.

        Args:
            guide: (B, Cg, H', W').
            feature: (B, Cf, H, W).

        Returns:
            (B, H', W', K * K): the window's taps row-major, around feature position ((i' * H) // H',
            (j' * W) // W'). Under the "zero" border the taps outside the map keep their share.

        Raises:
            TypeError: This operator has no such weights: they are fixed, or mix channels, or it samples where
                it likes.
        """
        raise TypeError(
            f"{type(self).__name__} has no kernels to show, because it predicts no weights of a window that "
            "all channels share. SAPA, CARAFE, A2U, FADE and IndexNet have kernels."
        )

    def check_maps(
        self, guide: torch.Tensor, feature: torch.Tensor, value: torch.Tensor | None = None
    ) -> None:
        """Refuse maps whose shapes are not what the upsampler was made for, or do not fit together."""
        if torch.compiler.is_compiling():
            return
        for name, tensor, channels in (
            ("guide", guide, self.guide_channels),
            ("feature", feature, self.feature_channels),
        ):
            if tensor.dim() != 4 or tensor.shape[1] != channels:
                raise ValueError(
                    f"{name} must be (B, {channels}, H, W) for this {type(self).__name__}, got a tensor of "
                    f"shape {tuple(tensor.shape)}. The guide is the high-resolution encoder feature and "
                    "comes first."
                )
        if guide.shape[0] != feature.shape[0]:
            raise ValueError(
                "guide and feature must have the same batch, got batches of "
                f"{guide.shape[0]} and {feature.shape[0]} images."
            )
        if value is not None and (
            value.dim() != 4 or value.shape[0] != feature.shape[0] or value.shape[2:] != feature.shape[2:]
        ):
            raise ValueError(
                f"value stands in for the feature {tuple(feature.shape)} and must have its batch, height and "
                f"width, got a tensor of shape {tuple(value.shape)}."
            )
        if value is not None and not value.is_floating_point():
            raise TypeError(f"value must be a floating point tensor, got {value.dtype}.")
        check_sizes(guide.shape[2:], feature.shape[2:])
        if self.doubles:
            self._check_doubled(guide.shape[2:], feature.shape[2:])

    def _check_doubled(self, guide_size: torch.Size, feature_size: torch.Size) -> None:
        if all(high in (2 * low - 1, 2 * low) for high, low in zip(guide_size, feature_size, strict=True)):
            return
        height, width = feature_size
        raise ValueError(
            f"{type(self).__name__} upsamples to twice the size: for a feature of {tuple(feature_size)} the "
            f"guide must be ({2 * height}, {2 * width}), or a pixel less along an axis, got "
            f"{tuple(guide_size)}. Chain steps for larger factors; 'sapa-b', 'sapa-g', 'fade', 'nearest' and "
            "'bilinear' take any size."
        )


def pad_to_double(guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
    """Add the zero row and column that an odd guide lacks: (B, Cg, H', W') -> (B, Cg, 2 * H, 2 * W)."""
    height, width = feature.shape[2:]
    return F.pad(guide, (0, 2 * width - guide.shape[3], 0, 2 * height - guide.shape[2]))


def crop_to_guide(output: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
    """Leave out the row and column beyond a guide of odd size: (B, C, 2 * H, 2 * W) -> (B, C, H', W')."""
    return output[:, :, : guide.shape[2], : guide.shape[3]]
