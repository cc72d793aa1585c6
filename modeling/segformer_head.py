"""SegFormer's decode head with a choice of upsampler."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from .segformer_head_merged import can_merge, merged_logits
from .segformer_layers import StageFusion, StageProjection
from .untouched import is_untouched
from .upsampler import build_upsampler
from .upsampler_config import config_options


class SapaSegformerDecodeHead(nn.Module):
    """All-MLP decode head: project four stages to one width, bring them to 1/4, fuse and classify.

    "bilinear" resizes each stage at once and concatenates, operation for operation as transformers does.
    Every other upsampler climbs one stage at a time, guided by the projected next finer stage; each step has
    its own weights (six for four stages: three for 1/32, two for 1/16, one for 1/8, in this order; the
    authors' released head).

    Args:
        config: A `SapaSegformerConfig`.
        in_channels: Channels of the encoder's maps, finest first; those of SegFormer's own by default.
    """

    def __init__(self, config, in_channels: Sequence[int] | None = None):
        super().__init__()
        in_channels = config.hidden_sizes if in_channels is None else in_channels
        width, stages = config.decoder_hidden_size, len(in_channels)
        self.linear_c = nn.ModuleList(StageProjection(size, width) for size in in_channels)
        self.resizes_at_once = config.upsampler == "bilinear"
        steps = 0 if self.resizes_at_once else stages * (stages - 1) // 2
        self.upsamplers = nn.ModuleList(
            build_upsampler(config.upsampler, width, width, **config_options(config)) for _ in range(steps)
        )
        self.linear_fuse = StageFusion(width * stages, width, kernel_size=1, bias=False)
        self.batch_norm = nn.BatchNorm2d(width)
        self.activation = nn.ReLU()
        self.dropout = nn.Dropout(config.classifier_dropout_prob)
        self.classifier = nn.Conv2d(width, config.num_labels, kernel_size=1)

    def forward(self, stages: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Classify every pixel of the finest stage.

        Args:
            stages: Encoder outputs, finest first: (B, C1, H/4, W/4) to (B, C4, H/32, W/32).

        Returns:
            Logits (B, num_labels, H/4, W/4).
        """
        if can_merge(self, stages):
            return merged_logits(self, stages)
        projected = [linear(stage) for linear, stage in zip(self.linear_c, stages, strict=True)]
        fused = self._resize_and_fuse(projected) if self.resizes_at_once else self._climb_and_fuse(projected)
        hidden = self.dropout(self.activation(self.batch_norm(fused)))  # (B, D, H/4, W/4)
        return self.classifier(hidden)

    def _resize_and_fuse(self, projected: list[torch.Tensor]) -> torch.Tensor:
        size = projected[0].shape[2:]
        resized = [F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in projected]
        return self.linear_fuse(torch.cat(resized[::-1], dim=1))  # (B, D, H/4, W/4)

    def _climb_and_fuse(self, projected: list[torch.Tensor]) -> torch.Tensor:
        """Bring every stage to the finest by its own chain of upsamplers, and fuse."""
        upsamplers = iter(self.upsamplers)
        last_steps = []  # (upsampler, feature) that bring a stage to the finest, coarsest stage first
        for level in range(len(projected) - 1, 0, -1):
            feature = projected[level]
            for guide in projected[level - 1 : 0 : -1]:
                feature = next(upsamplers)(guide, feature)
            last_steps.append((next(upsamplers), feature))
        if is_untouched(self.linear_fuse, StageFusion):
            return self._fuse_before_last_step(projected[0], last_steps)
        climbed = [upsampler(projected[0], feature) for upsampler, feature in last_steps]
        return self.linear_fuse(torch.cat([*climbed, projected[0]], dim=1))  # (B, D, H/4, W/4)

    def _fuse_before_last_step(
        self, finest: torch.Tensor, last_steps: list[tuple[nn.Module, torch.Tensor]]
    ) -> torch.Tensor:
        """Fuse without concatenating: linear_fuse takes each stage alone, before that stage's last step.

        Without a bias it commutes with an upsampler that reassembles: the same sum up to rounding, at a
        quarter of the multiply-adds. A wrapped or hooked layer expects the whole input, and gets it.
        """
        fused = self.linear_fuse(finest, stage=len(last_steps))
        for stage, (upsampler, feature) in enumerate(last_steps):
            if getattr(upsampler, "reassembles", False):
                fused = fused + upsampler(finest, feature, self.linear_fuse(feature, stage=stage))
            else:
                fused = fused + self.linear_fuse(upsampler(finest, feature), stage=stage)
        return fused  # (B, D, H/4, W/4)
