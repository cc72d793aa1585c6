from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import nn

from sapa_hf.training.step import NonFiniteError, training_step


class PixelModel(nn.Module):
    """The smallest model of its kind: one 1x1 convolution, and a mean loss over valid pixels."""

    def __init__(self):
        super().__init__()
        self.classifier = nn.Conv2d(3, 4, 1)

    def forward(self, pixel_values, labels):
        total = F.cross_entropy(self.classifier(pixel_values), labels, ignore_index=255, reduction="sum")
        return SimpleNamespace(loss=total / (labels != 255).sum().clamp(min=1))


def valid_pixels(batch):
    return (batch["labels"] != 255).sum()


@pytest.fixture
def accelerator():
    return Accelerator(cpu=True)


def batch_of(count, valid_rows, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (count, 8, 8), generator=generator)
    labels[:, valid_rows:] = 255
    pixels = torch.randn(count, 3, 8, 8, generator=generator, dtype=torch.float64)
    return {
        "pixel_values": pixels,
        "labels": labels,
        "ids": [f"{seed}-{i}" for i in range(count)],
        "skipped": 1,
    }


def step(accelerator, batches, **options):
    torch.manual_seed(0)
    model = PixelModel().double()
    optimizer = torch.optim.SGD([{"params": list(model.parameters()), "lr": 0.5, "name": "head"}])
    result = training_step(accelerator, model, optimizer, batches, valid_pixels, **options)
    return result, model


def test_micro_batches_weigh_as_many_pixels_as_they_have(accelerator):
    one, two, three = batch_of(2, 8, 1), batch_of(1, 3, 2), batch_of(1, 0, 3)  # the last has no valid pixel
    joined = {key: torch.cat([one[key], two[key], three[key]]) for key in ("pixel_values", "labels")}
    apart, model = step(accelerator, [one, two, three])
    together, reference = step(accelerator, [joined | {"ids": [], "skipped": 0}])
    assert apart.loss == pytest.approx(together.loss, rel=1e-12)
    for mine, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)
    assert apart.skipped == 3 and apart.learning_rates == {"head": 0.5}


def test_clipping_acts_on_the_gradient_of_the_whole_step(accelerator):
    batches = [batch_of(1, 8, 1), batch_of(1, 8, 2)]
    free, model = step(accelerator, batches)
    clipped, short = step(accelerator, batches, max_grad_norm=free.grad_norm / 4)
    torch.manual_seed(0)
    start = PixelModel().double()
    for origin, full, quarter in zip(start.parameters(), model.parameters(), short.parameters(), strict=True):
        torch.testing.assert_close((full - origin) / 4, quarter - origin, rtol=1e-4, atol=1e-9)
    assert clipped.grad_norm == free.grad_norm


def test_a_step_without_valid_pixels_does_nothing(accelerator):
    result, model = step(accelerator, [batch_of(1, 0, 1)])
    torch.manual_seed(0)
    assert result.loss is None and torch.equal(
        model.classifier.weight, PixelModel().double().classifier.weight
    )


def test_a_request_to_stop_is_passed_on(accelerator):
    assert step(accelerator, [batch_of(1, 8, 1)], stop=True)[0].stop
    assert not step(accelerator, [batch_of(1, 8, 1)])[0].stop


def test_only_the_images_of_the_broken_micro_batch_are_named(accelerator):
    good, bad = batch_of(2, 8, 1), batch_of(2, 8, 2)
    bad["pixel_values"][0] = torch.inf
    with pytest.raises(NonFiniteError, match=r"images \['2-0', '2-1'\]"):
        step(accelerator, [good, bad])


class EdgeModel(PixelModel):
    def forward(self, pixel_values, labels):
        weight = self.classifier.weight
        return SimpleNamespace(
            loss=(weight - weight.detach()).abs().sqrt().sum()
        )  # 0, with a gradient of nan


def test_a_gradient_that_is_not_finite_stops_too(accelerator):
    model = EdgeModel()
    before = model.classifier.weight.clone()
    optimizer = torch.optim.SGD([{"params": [model.classifier.weight], "lr": 0.5, "name": "head"}])
    with pytest.raises(NonFiniteError, match=r"loss 0.0, gradient norm (nan|inf).*images \['1-0'\]"):
        training_step(accelerator, model, optimizer, [batch_of(1, 8, 1)], valid_pixels)
    assert torch.equal(model.classifier.weight, before)
