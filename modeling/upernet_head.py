"""UperNet's decode head with a choice of upsampler."""

import torch
import torch.nn.functional as F
from torch import nn
from transformers.models.upernet.modeling_upernet import UperNetHead

from .upsampler import build_upsampler
from .upsampler_config import config_options


class SapaUperNetHead(UperNetHead):
    """Pyramid pooling on the coarsest map, a top-down path, and the fusion of all levels at the finest.

    The steps of the top-down path use the chosen upsampler, each with its own weights: coarsest first, and
    guided by the next finer lateral map. With "bilinear" the head is transformers' own, operation for
    operation. Pooling and fusion stay bilinear, as in the authors' UperNet.

    Args:
        config: A `SapaUperNetConfig`.
        in_channels: Channels of the encoder's maps, finest first.
    """

    def __init__(self, config, in_channels: list[int]):
        super().__init__(config, in_channels)
        width = config.hidden_size
        self.upsamplers = nn.ModuleList(
            build_upsampler(config.upsampler, width, width, **config_options(config)) for _ in in_channels[1:]
        )

    def forward(  # type: ignore[override]  # whose annotation says a tensor
        self, encoder_hidden_states: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Classify every pixel of the finest map.

        Args:
            encoder_hidden_states: The encoder's maps, finest first: (B, C1, H/4, W/4) to (B, C4, H/32, W/32).

        Returns:
            Logits (B, num_labels, H/4, W/4).
        """
        pairs = zip(self.lateral_convs, encoder_hidden_states[:-1], strict=True)
        guides = [convolution(stage) for convolution, stage in pairs]
        levels = [self.psp_forward(encoder_hidden_states)]  # (B, D, H/32, W/32)
        for guide, upsampler in zip(reversed(guides), self.upsamplers, strict=True):
            levels.append(guide + upsampler(guide, levels[-1]))
        coarsest, *finer = levels
        size = levels[-1].shape[2:]
        refined = [convolution(level) for convolution, level in zip(self.fpn_convs, finer[::-1], strict=True)]
        resized = [
            F.interpolate(level, size=size, mode="bilinear", align_corners=False)
            for level in (*refined[1:], coarsest)
        ]
        return self.classifier(self.fpn_bottleneck(torch.cat([refined[0], *resized], dim=1)))
