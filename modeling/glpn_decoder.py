"""GLPN's decoder and depth head with a choice of upsampler."""

import torch
import torch.nn.functional as F
from torch import nn

from .upsampler import build_upsampler
from .upsampler_config import config_options


class SelectiveFusion(nn.Module):
    """Weigh encoder and decoder feature against each other at every pixel (Kim et al., 2022, section 3.4)."""

    def __init__(self, channels: int):
        super().__init__()
        self.convolutional_layer1 = nn.Sequential(
            nn.Conv2d(2 * channels, channels, kernel_size=3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.convolutional_layer2 = nn.Sequential(
            nn.Conv2d(channels, channels // 2, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels // 2),
            nn.ReLU(),
        )
        self.convolutional_layer3 = nn.Conv2d(channels // 2, 2, kernel_size=3, padding=1)

    def forward(self, encoder_feature: torch.Tensor, decoder_feature: torch.Tensor) -> torch.Tensor:
        """Fuse two maps (B, D, H, W) into one."""
        both = torch.cat((encoder_feature, decoder_feature), dim=1)  # (B, 2 * D, H, W)
        attention = self.convolutional_layer3(self.convolutional_layer2(self.convolutional_layer1(both)))
        attention = torch.sigmoid(attention)  # (B, 2, H, W)
        return encoder_feature * attention[:, :1] + decoder_feature * attention[:, 1:]


def decoder_stage(in_channels: int, channels: int, fuses: bool, upsampler: nn.Module | None) -> nn.ModuleDict:
    """Collect one stage's modules, under the names that GLPN's checkpoints have for them."""
    same = in_channels == channels
    projection = nn.Identity() if same else nn.Conv2d(in_channels, channels, kernel_size=1)
    modules: dict[str, nn.Module] = {"convolution": projection}
    if fuses:
        modules["fusion"] = SelectiveFusion(channels)
    if upsampler is not None:
        modules["upsampler"] = upsampler
    return nn.ModuleDict(modules)


class SapaGlpnDecoder(nn.Module):
    """Climb from 1/32 to the image's size, fusing each encoder stage on the way.

    The steps to 1/16, 1/8 and 1/4 use the chosen upsampler, each with its own weights; its guide is the next
    finer stage, projected to the decoder's width. There is no encoder feature at 1/2 and 1/1 to be a guide:
    the last two steps stay bilinear.

    Args:
        config: A `SapaGlpnConfig`.
    """

    def __init__(self, config):
        super().__init__()
        width, sizes = config.decoder_hidden_size, config.hidden_sizes[::-1]  # coarsest stage first
        self.stages = nn.ModuleList()
        for level, size in enumerate(sizes):
            finest = level == len(sizes) - 1
            upsampler = (
                None if finest else build_upsampler(config.upsampler, width, width, **config_options(config))
            )
            self.stages.append(decoder_stage(size, width, fuses=level > 0, upsampler=upsampler))

    def forward(self, encoder_stages: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Decode.

        Args:
            encoder_stages: Finest first, (B, C1, H/4, W/4) to (B, C4, H/32, W/32).

        Returns:
            (B, D, H, W).
        """
        projected = [
            stage.get_submodule("convolution")(feature)
            for stage, feature in zip(self.stages, encoder_stages[::-1], strict=True)
        ]  # coarsest first, (B, D, h, w) each
        hidden = projected[0]
        for level in range(1, len(projected)):
            guide = projected[level]
            hidden = self.stages[level - 1].get_submodule("upsampler")(guide, hidden)
            hidden = self.stages[level].get_submodule("fusion")(guide, hidden)
        for _ in range(2):  # to 1/2 and to 1/1
            hidden = F.interpolate(hidden, scale_factor=2, mode="bilinear", align_corners=False)
        return hidden


class SapaGlpnHead(nn.Module):
    """Turn the decoder's last map into metres.

    Args:
        config: A `SapaGlpnConfig`.
    """

    def __init__(self, config):
        super().__init__()
        width = config.decoder_hidden_size
        self.max_depth = config.max_depth
        self.head = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 1, kernel_size=3, padding=1),
        )

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (B, D, H, W) to depth (B, H, W) in 0..max_depth."""
        return torch.sigmoid(self.head(hidden)).squeeze(1) * self.max_depth
