"""Max unpooling: each feature goes back to the pixel that its encoder's pooling took it from."""

import torch

from .guided_upsampler import GuidedUpsampler


class MaxUnpool(GuidedUpsampler):
    """Put every feature where the encoder's 2 x 2 max pooling found it, zero elsewhere (SegNet, 2015).

    Needs the indices that `F.max_pool2d(..., return_indices=True)` gave while the encoder pooled a map of the
    guide's size; of an odd map with `ceil_mode=True`, so that its last row and column are pooled too. No
    parameters.

    Args:
        guide_channels: Of the guide; only its size is used.
        feature_channels: Of the feature, and of the map that was pooled.
    """

    doubles = True

    def forward(self, guide: torch.Tensor, feature: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Upsample.

        Args:
            guide: (B, Cg, H', W').
            feature: (B, Cf, H, W).
            indices: (B, Cf, H, W) integers, each i' * W' + j'.

        Returns:
            (B, Cf, H', W').

        Raises:
            ValueError: The indices have another shape, or point outside the guide's map.
        """
        self.check_maps(guide, feature)
        height, width = guide.shape[2:]
        if not torch.compiler.is_compiling():
            self._check_indices(indices, feature, height * width)
        pixels = feature.new_zeros(*feature.shape[:2], height * width)  # (B, Cf, H' * W')
        pixels = pixels.scatter(2, indices.flatten(2), feature.flatten(2))
        return pixels.unflatten(2, (height, width))

    @staticmethod
    def _check_indices(indices: torch.Tensor, feature: torch.Tensor, pixels: int) -> None:
        if indices.shape != feature.shape or indices.dtype != torch.int64:
            raise ValueError(
                f"indices must be int64 and of the feature's shape {tuple(feature.shape)}, got "
                f"{indices.dtype} {tuple(indices.shape)}; max_pool2d(..., return_indices=True) gives them."
            )
        if indices.device.type != "cpu":
            return  # asking a GPU for values would wait for it
        if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < pixels:
            raise ValueError(
                f"indices must be 0 to {pixels - 1}, the guide's pixels, got values from "
                f"{int(indices.min())} to {int(indices.max())}. Was another map pooled than one of the "
                "guide's size?"
            )
