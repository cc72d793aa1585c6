"""BTS's decoder with a choice of upsampler (Lee et al., From Big to Small, 2019, Fig. 2)."""

import torch
import torch.nn.functional as F
from torch import nn

from .planar_guidance import LocalPlanarGuidance, Reduction
from .upsampler import build_upsampler
from .upsampler_config import config_options

DILATIONS = (3, 6, 12, 18, 24)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Make a batch normalisation with BTS's slow average and TensorFlow's epsilon.

    1.1e-5 is in BTS's TensorFlow original, with which it was published; its PyTorch port has 1.1e-5 too, but
    in the second normalisation of each dilation PyTorch's 1e-5.
    """
    return nn.BatchNorm2d(channels, eps=1.1e-5, momentum=0.01)


def convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Make a 3 x 3 convolution without bias, and ELU."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.ELU())


class UpsamplingStage(nn.Module):
    """Double the resolution: the chosen upsampler, a 3 x 3 convolution, ELU and batch normalisation."""

    def __init__(self, config, guide_channels: int, in_channels: int, out_channels: int):
        super().__init__()
        self.upsampler = build_upsampler(
            config.upsampler, guide_channels, in_channels, **config_options(config)
        )
        self.convolution = convolution(in_channels, out_channels)
        self.normalization = batch_norm(out_channels)

    def forward(self, guide: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        """Map (B, Cg, 2 * H, 2 * W) and (B, Cin, H, W) to (B, Cout, 2 * H, 2 * W)."""
        return self.normalization(self.convolution(self.upsampler(guide, feature)))


class AtrousBranch(nn.Sequential):
    """One dilation of the pyramid: 1 x 1 convolution to twice the output, then 3 x 3 dilated."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int, normalizes_input: bool):
        between = 2 * out_channels
        super().__init__(
            batch_norm(in_channels) if normalizes_input else nn.Identity(),
            nn.ReLU(),
            nn.Conv2d(in_channels, between, 1, bias=False),
            batch_norm(between),
            nn.ReLU(),
            nn.Conv2d(between, out_channels, 3, padding=dilation, dilation=dilation, bias=False),
        )


class DenseAtrousPyramid(nn.Module):
    """Dense ASPP: each dilation sees the skip connection, the stage's map and all smaller dilations."""

    def __init__(self, skip_channels: int, channels: int):
        super().__init__()
        branch = channels // 2
        inputs = [channels] + [
            skip_channels + channels + count * branch for count in range(1, len(DILATIONS))
        ]
        self.branches = nn.ModuleList(
            AtrousBranch(size, branch, dilation, normalizes_input=index > 0)
            for index, (size, dilation) in enumerate(zip(inputs, DILATIONS, strict=True))
        )
        self.fusion = convolution(channels + len(DILATIONS) * branch, branch)

    def forward(self, joint: torch.Tensor, fused: torch.Tensor) -> torch.Tensor:
        """Map (B, Cs + C, H, W) and its fusion (B, C, H, W) to (B, C / 2, H, W)."""
        outputs = [self.branches[0](fused)]
        for branch in self.branches[1:]:
            outputs.append(branch(torch.cat((joint, *outputs), dim=1)))
        return self.fusion(torch.cat((fused, *outputs), dim=1))


class SapaBtsDecoder(nn.Module):
    """Climb from 1/32 to the image's size, with the depth of local planes as guidance on the way.

    The steps to 1/16, 1/8, 1/4 and 1/2 (BTS's upconv5 to upconv2) use the chosen upsampler before their
    convolution, guided by the encoder's feature at that resolution. There is none at 1/1: the last step stays
    nearest.

    Args:
        config: A `SapaBtsConfig`.
        in_channels: Channels of the encoder's maps, finest first; those of the config's ResNet by default.
    """

    def __init__(self, config, in_channels: list[int] | None = None):
        super().__init__()
        own = [config.embedding_size, *config.hidden_sizes]
        stem, c4, c8, c16, c32 = own if in_channels is None else in_channels  # index: inverse resolution
        w16, w8, w4, w2, w1 = (config.decoder_hidden_size // 2**step for step in range(5))
        self.upconv5 = UpsamplingStage(config, c16, c32, w16)
        self.conv5 = convolution(w16 + c16, w16)
        self.upconv4 = UpsamplingStage(config, c8, w16, w8)
        self.conv4 = nn.Sequential(convolution(w8 + c8, w8), batch_norm(w8))
        self.daspp = DenseAtrousPyramid(c8, w8)
        self.planes8 = LocalPlanarGuidance(w4, w4, 8)
        self.upconv3 = UpsamplingStage(config, c4, w4, w4)
        self.conv3 = convolution(w4 + c4 + 1, w4)
        self.planes4 = LocalPlanarGuidance(w4, w2, 4)
        self.upconv2 = UpsamplingStage(config, stem, w4, w2)
        self.conv2 = convolution(w2 + stem + 1, w2)
        self.planes2 = LocalPlanarGuidance(w2, w1, 2)
        self.upconv1 = convolution(w2, w1)
        self.reduction1 = Reduction(w1, w1 // 2, out_channels=1)
        self.conv1 = convolution(w1 + 4, w1)
        self.depth = nn.Conv2d(w1, 1, 3, padding=1, bias=False)
        self.max_depth = config.max_depth

    def forward(self, stages: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Decode.

        Args:
            stages: The encoder's stem before its pooling, (B, 64, H/2, W/2), and its four stages, finest
                first; the coarsest has passed its ReLU.

        Returns:
            Depth (B, 1, H, W) in 0..max_depth, metres.
        """
        stem, stage4, stage8, stage16, stage32 = stages
        hidden = self.conv5(torch.cat((self.upconv5(stage16, stage32), stage16), dim=1))  # at 1/16
        joint = torch.cat((self.upconv4(stage8, hidden), stage8), dim=1)  # at 1/8
        hidden = self.daspp(joint, self.conv4(joint))

        depth8 = self.planes8(hidden)  # (B, 1, H, W), as are depth4 and depth2
        hidden = torch.cat((self.upconv3(stage4, hidden), stage4, every(depth8, 4)), dim=1)
        hidden = self.conv3(hidden)  # at 1/4
        depth4 = self.planes4(hidden)
        hidden = torch.cat((self.upconv2(stem, hidden), stem, every(depth4, 2)), dim=1)
        hidden = self.conv2(hidden)  # at 1/2
        depth2 = self.planes2(hidden)

        hidden = self.upconv1(F.interpolate(hidden, scale_factor=2, mode="nearest"))  # at 1/1
        depth1 = torch.sigmoid(self.reduction1(hidden))
        hidden = self.conv1(torch.cat((hidden, depth1, depth2, depth4, depth8), dim=1))
        return torch.sigmoid(self.depth(hidden)) * self.max_depth


def every(depth: torch.Tensor, step: int) -> torch.Tensor:
    """Take every step-th row and column, nearest downsampling as BTS does: depth is never averaged."""
    return depth[:, :, ::step, ::step]
