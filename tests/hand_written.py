"""Networks as people write them: what a swap of their upsampling is tried on."""

import torch
import torch.nn.functional as F
from torch import nn


def layers(channels, out_channels, stride=1):
    return nn.Sequential(
        nn.Conv2d(channels, out_channels, 3, stride, 1), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
    )


class UNet(nn.Module):
    """One `nn.Upsample` serves both steps; the guides are the encoder's maps."""

    def __init__(self, mode="bilinear", width=8, classes=5):
        super().__init__()
        self.stem, self.down = layers(3, width), layers(width, 2 * width, 2)
        self.bottom = layers(2 * width, 3 * width, 2)
        self.up = nn.Upsample(scale_factor=2, mode=mode)
        self.middle, self.top = layers(5 * width, 2 * width), layers(3 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image):
        fine = self.stem(image)
        middle = self.down(fine)
        feature = self.up(self.bottom(middle))
        feature = self.middle(torch.cat([middle, feature], dim=1))
        return self.head(self.top(torch.cat([self.up(feature), fine], dim=1)))


class PaddedUNet(nn.Module):
    """A transposed or a bilinear step whose result is padded to a skip of odd size, then concatenated."""

    def __init__(self, transposed=False):
        super().__init__()
        self.fine, self.coarse = layers(3, 8), layers(8, 16, 2)
        self.up = nn.ConvTranspose2d(16, 6, 2, 2) if transposed else nn.Upsample(None, 2, "bilinear", True)
        self.head = nn.Conv2d(14 if transposed else 24, 4, 3, padding=1)

    def forward(self, image):
        skip = self.fine(image)
        feature = self.up(self.coarse(skip[:, :, :-1, :-1]))  # a row and a column short
        rows, columns = (skip.size(axis) - feature.size(axis) for axis in (2, 3))
        feature = F.pad(feature, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.head(torch.cat([skip, feature], dim=1))


class SkipBlock(nn.Module):
    """Concatenate a map with what an `nn.Sequential` that ends in `nn.Upsample` makes of it."""

    def __init__(self, *inner):
        super().__init__()
        self.inner = nn.Sequential(*inner)

    def forward(self, feature):
        return torch.cat([feature, self.inner(feature)], dim=1)


def sequential_network():
    innermost = SkipBlock(layers(12, 16, 2), nn.Upsample(scale_factor=2), nn.Conv2d(16, 12, 1))
    return nn.Sequential(
        layers(3, 8),
        SkipBlock(layers(8, 12, 2), innermost, layers(24, 8), nn.Upsample(scale_factor=2)),
        nn.Conv2d(16, 4, 1),
    )


class AttentionUNet(nn.Module):
    """The enlarged map passes a convolution, meets the skip in a gate's sum, and then the gated skip."""

    def __init__(self):
        super().__init__()
        self.fine, self.coarse = layers(3, 8), layers(8, 12, 2)
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), *layers(12, 8))
        self.gate_skip, self.gate_up, self.gate = nn.Conv2d(8, 4, 1), nn.Identity(), nn.Conv2d(8, 1, 1)
        self.head = nn.Conv2d(16, 4, 1)

    def forward(self, image):
        skip = self.fine(image)
        feature = self.up(self.coarse(skip))
        gate = torch.sigmoid(self.gate(F.relu(self.gate_up(feature) + skip)))
        return self.head(torch.cat([skip * gate, feature], dim=1))
