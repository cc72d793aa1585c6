"""Reassembly of windows with predicted kernels, the step that CARAFE, A2U and FADE share with SAPA."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from .affiliation import affiliate
from .checks import BORDERS, check_choice, check_kernel_size
from .guided_upsampler import GuidedUpsampler, crop_to_guide
from .place_bias import taps_by_remainder
from .window import window_starts


class KernelPredictor(GuidedUpsampler):
    """An upsampler that predicts a K x K kernel for every output pixel and assembles the feature with it.

    Subclasses give the kernels' logits.

    Args:
        guide_channels: Of the guide.
        feature_channels: Of the feature.
        kernel_size: Odd window size K.
        border: "zero", "mask" or "shift", as in `reassemble`.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: The kernel size is even, or the border unknown.
    """

    reassembles = True

    def __init__(self, guide_channels: int, feature_channels: int, kernel_size: int, border: str):
        super().__init__(guide_channels, feature_channels)
        check_kernel_size(kernel_size)
        check_choice("border", border, BORDERS)
        self.kernel_size, self.border = kernel_size, border

    def logits(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Predict the kernels before their softmax: (B, K * K, H'', W''), H'' being H' or 2 * H."""
        raise NotImplementedError

    def forward(
        self, guide: torch.Tensor, feature: torch.Tensor, value: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Upsample the feature, or another map that stands at the feature's positions.

        Args:
            guide: (B, Cg, H', W').
            feature: (B, Cf, H, W).
            value: (B, Cv, H, W) to assemble instead of the feature.

        Returns:
            (B, Cf or Cv, H', W').
        """
        self.check_maps(guide, feature, value)
        logits = self.logits(guide, feature).permute(0, 2, 3, 1)  # (B, H'', W'', K * K)
        value = (feature if value is None else value).permute(0, 2, 3, 1)
        output = reassemble(logits, value, self.kernel_size, self.border)  # (B, H'', W'', C)
        return crop_to_guide(output.permute(0, 3, 1, 2), guide)

    def kernels(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Give the predicted kernels, (B, H', W', K * K)."""
        self.check_maps(guide, feature)
        logits = self.logits(guide, feature).permute(0, 2, 3, 1)
        weights = kernel_weights(logits, feature.shape[2:], self.kernel_size, self.border)
        return weights[:, : guide.shape[2], : guide.shape[3]]


def reassemble(
    logits: torch.Tensor, value: torch.Tensor, kernel_size: int, border: str = "zero"
) -> torch.Tensor:
    """Sum every output pixel's window with the softmax of given logits (CARAFE, Wang et al., 2019, Eq. 4).

    This is an affiliation, so all its forms and compiled kernels serve here: a K x K window holds each
    position modulo K exactly once, hence keys that mark that remainder (one of K * K) pick from a query of
    K * K entries the logit that was predicted for their tap.

    Args:
        logits: (B, H', W', K * K), taps row-major.
        value: (B, H, W, C).
        kernel_size: Odd window size K.
        border: "zero" lets a tap outside the map take its share of the softmax and add nothing; "mask" leaves
            it out; "shift" moves the window inside.

    Returns:
        (B, H', W', C) in value's dtype.
    """
    height, width = value.shape[1:3]
    query = _by_remainder(logits, (height, width), kernel_size, border)
    rows, columns = (torch.arange(size, device=value.device) % kernel_size for size in (height, width))
    remainders = rows[:, None] * kernel_size + columns  # (H, W)
    key = F.one_hot(remainders, kernel_size**2).to(logits.dtype).expand(value.shape[0], -1, -1, -1)
    output = affiliate(query, key, value, kernel_size, "mask" if border == "zero" else border)
    if border == "zero":
        weights = kernel_weights(logits, (height, width), kernel_size, border)
        inside = taps_inside(logits.shape[1:3], (height, width), kernel_size, value.device)
        output = output * (weights * inside).sum(-1, keepdim=True).to(output.dtype)
    return output


def kernel_weights(
    logits: torch.Tensor, feature_size: Sequence[int], kernel_size: int, border: str
) -> torch.Tensor:
    """Normalise predicted kernels: (B, H', W', K * K) -> the same shape, in float32 at least."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if border == "mask":
        inside = taps_inside(logits.shape[1:3], feature_size, kernel_size, logits.device)
        logits = logits.masked_fill(~inside, torch.finfo(logits.dtype).min)
    return logits.softmax(-1)


def taps_inside(
    guide_size: Sequence[int], feature_size: Sequence[int], kernel_size: int, device: torch.device
) -> torch.Tensor:
    """Mark the taps that lie on the map: (H', W', K * K)."""
    rows, columns = (
        _tap_positions(high, low, kernel_size, device)
        for high, low in zip(guide_size, feature_size, strict=True)
    )
    rows = (rows >= 0) & (rows < feature_size[0])  # (H', K)
    columns = (columns >= 0) & (columns < feature_size[1])  # (W', K)
    return (rows[:, None, :, None] & columns[None, :, None, :]).flatten(2)


def _tap_positions(
    guide_size: int, feature_size: int, kernel_size: int, device: torch.device
) -> torch.Tensor:
    """Give the feature index under each tap along one axis: (guide_size, K), also outside the map."""
    starts = window_starts(guide_size, feature_size, kernel_size, device=device)
    return starts[:, None] + torch.arange(kernel_size, device=device)


def _by_remainder(
    logits: torch.Tensor, feature_size: Sequence[int], kernel_size: int, border: str
) -> torch.Tensor:
    """Sort each pixel's logits by the remainder modulo K of the position under the tap."""
    rows, columns = (
        taps_by_remainder(high, low, kernel_size, border, logits.device)
        for high, low in zip(logits.shape[1:3], feature_size, strict=True)
    )  # (H', K) and (W', K)
    order = rows[:, None, :, None] * kernel_size + columns[None, :, None, :]  # (H', W', K, K)
    return logits.gather(-1, order.flatten(2).expand_as(logits))
