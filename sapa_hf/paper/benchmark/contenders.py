"""SegFormer-B1 as transformers ships it, as we do, and bilinear done the same clever way as SAPA."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from transformers import SegformerConfig, SegformerForSemanticSegmentation

from sapa_hf.modeling import SapaSegformerConfig, SapaSegformerForSemanticSegmentation
from sapa_hf.modeling.backend import AUTOMATIC, PLAIN
from sapa_hf.modeling.compiled_kernel import find_kernel
from sapa_hf.modeling.segformer_head_merged import fusion

B1 = {"hidden_sizes": [64, 128, 320, 512], "num_labels": 150}
BASELINE = "transformers"
SHOWN = ("sapa-i", "sapa-b", "sapa-g")


class Contender(NamedTuple):
    """A model, what runs its SAPA, and the memory order of its weights and its images."""

    model: nn.Module
    backend: str
    order: torch.memory_format


class MergedBilinearHead(nn.Module):
    """SegFormer's bilinear head for inference, with its 1 x 1 convolutions before the interpolation.

    The two commute, so each stage needs one product at its own size, batch norm included.

    Args:
        head: The head whose weights it has.
    """

    def __init__(self, head: nn.Module):
        super().__init__()
        self.products, self.classifier = nn.ModuleList(), head.classifier
        for linear, share in zip(head.linear_c, fusion(head)[::-1], strict=True):
            weight, bias = share.weight @ linear.proj.weight, share.weight @ linear.proj.bias
            product = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
            product.weight.data.copy_(weight[:, :, None, None])
            product.bias.data.copy_(bias if share.bias is None else bias + share.bias)
            self.products.append(product)

    def forward(self, stages: Sequence[torch.Tensor]) -> torch.Tensor:
        """Map the stages, finest first, to logits (B, num_labels, H/4, W/4)."""
        fused, *coarse = (product(stage) for product, stage in zip(self.products, stages, strict=True))
        for share in coarse:
            fused += F.interpolate(share, size=fused.shape[2:], mode="bilinear", align_corners=False)
        return self.classifier(fused.relu_())


def contenders(device: str, training: bool = False) -> dict[str, Contender]:
    """Make every contender by its name.

    Args:
        device: "cpu" or "cuda".
        training: Leave out what is for inference alone.
    """
    first, last = torch.contiguous_format, torch.channels_last
    stock = SegformerForSemanticSegmentation
    made = {
        BASELINE: Contender(stock(SegformerConfig(**B1)), PLAIN, first),
        f"{BASELINE}, channels last": Contender(stock(SegformerConfig(**B1)), PLAIN, last),
        "bilinear": Contender(_ours("bilinear"), PLAIN, first),
        "bilinear, channels last": Contender(_ours("bilinear"), PLAIN, last),
    }
    if not training:
        merged = _ours("bilinear").eval()
        merged.decode_head = MergedBilinearHead(merged.decode_head)
        made["bilinear, merged, channels last"] = Contender(merged, PLAIN, last)
    probe = torch.zeros(1, 1, 1, 1, device=device)
    kernel = find_kernel(AUTOMATIC, probe, probe, probe) is not None
    for upsampler in SHOWN:
        model = _ours(upsampler)
        made[f"{upsampler}, channels last"] = Contender(model, PLAIN, last)
        if kernel:
            made[f"{upsampler}, kernel"] = Contender(_ours(upsampler), AUTOMATIC, first)
            made[f"{upsampler}, channels last, kernel"] = Contender(model, AUTOMATIC, last)
    for model, _, order in made.values():
        model.to(device).to(memory_format=order)
    return made


def _ours(upsampler: str) -> SapaSegformerForSemanticSegmentation:
    return SapaSegformerForSemanticSegmentation(SapaSegformerConfig(upsampler=upsampler, **B1))
