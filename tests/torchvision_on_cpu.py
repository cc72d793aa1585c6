"""torchvision beside a PyTorch for CPUs alone, for tests: its compiled operators cannot be loaded there.

Importing this declares two of them, which torchvision asks for while it is imported, and computes the one
that detection calls. Its pooling of regions has a form in plain torch, which it compiles: for tests too slow.
"""

import os
import sys

import torch

sys.path.append(os.environ["SAPA_TEST_LIBRARIES"])
declared = torch.library.Library("torchvision", "DEF")
declared.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
declared.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision.ops import box_iou, boxes  # noqa: E402


def keep_best(dets, scores, iou_threshold):
    """Non-maximum suppression: indices of (n, 4) boxes that overlap no better one, best first."""
    order = scores.argsort(descending=True, stable=True)
    overlaps = box_iou(dets[order], dets[order]) > iou_threshold  # (n, n)
    kept = torch.ones(len(order), dtype=torch.bool)
    for number in range(len(order)):
        if kept[number]:
            kept[number + 1 :] &= ~overlaps[number, number + 1 :]
    return order[kept]


declared.impl("nms", keep_best, "CPU")
boxes._assert_has_ops = lambda: None
torch.compiler.set_stance("force_eager")
