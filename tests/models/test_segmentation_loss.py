"""The loss of segmentation against its definition, in either memory order."""

import math

import pytest
import torch

from sapa_hf.modeling.segmentation_loss import segmentation_loss

ORDERS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


def defined(logits, labels, weights):
    """Pixel by pixel, in float64: the mean of -log softmax at the label."""
    total = counted = 0.0
    for image, truth in zip(logits.double(), labels, strict=True):
        for row in range(truth.shape[0]):
            for column in range(truth.shape[1]):
                label = truth[row, column].item()
                if label == 255:
                    continue
                scores = image[:, row, column].tolist()
                weight = weights[label] if weights else 1.0
                total -= weight * (scores[label] - math.log(sum(map(math.exp, scores))))
                counted += weight
    return total / counted


@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 2.0]], ids=["alike", "weighted"])
@pytest.mark.parametrize("size", [(6, 9), (12, 18)], ids=["own size", "enlarged"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_it_is_the_mean_cross_entropy_of_the_labelled_pixels(order, size, weights):
    logits = torch.randn(2, 3, 6, 9).contiguous(memory_format=order).requires_grad_()
    labels = torch.randint(0, 3, (2, *size))
    labels[:, :2] = 255
    loss = segmentation_loss(logits, labels, 255, weights)
    enlarged = torch.nn.functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    assert loss.item() == pytest.approx(defined(enlarged.detach(), labels, weights), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, logits)
    scores = enlarged.double().log_softmax(1)
    picked = scores.gather(1, labels.where(labels != 255, 0)[:, None])[:, 0]
    counts = torch.tensor(weights or [1.0] * 3, dtype=torch.float64)[labels.where(labels != 255, 0)]
    counts = counts * (labels != 255)
    (expected,) = torch.autograd.grad(-(picked * counts).sum() / counts.sum(), logits)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)
