"""The parts that are functions of the step: the order of samples, the learning rate, the parameter groups."""

import numpy as np
import pytest
import torch

from sapa_hf import SapaSegformerConfig, SapaSegformerForSemanticSegmentation
from sapa_hf.training.arguments import OptimizationArguments
from sapa_hf.training.optimizer import build_optimizer, parameter_groups
from sapa_hf.training.sampler import MicroBatches
from sapa_hf.training.schedule import build_schedule


def test_every_epoch_is_one_permutation_and_no_sample_is_dropped():
    keys = sum(MicroBatches(count=10, batch_size=4, steps=5), [])
    assert len(keys) == 20
    for epoch in (0, 1):
        assert sorted(index for index, e in keys if e == epoch) == list(range(10))
    assert [index for index, _ in keys[:10]] != [index for index, _ in keys[10:]]
    assert keys != sum(MicroBatches(count=10, batch_size=4, steps=5, seed=1), [])


def test_a_set_smaller_than_a_batch_works():
    assert list(MicroBatches(count=1, batch_size=3, steps=1)) == [[(0, 0), (0, 1), (0, 2)]]


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="no samples"):
        MicroBatches(count=0, batch_size=3, steps=1)


@pytest.mark.parametrize("start_step", [1, 3, 7])
def test_the_order_can_be_entered_at_any_step(start_step):
    whole = list(MicroBatches(count=7, batch_size=3, steps=8, accumulation=2))
    rest = MicroBatches(count=7, batch_size=3, steps=8 - start_step, accumulation=2, start=start_step * 6)
    assert list(rest) == whole[start_step * 2 :]


@pytest.mark.parametrize("world_size, accumulation", [(2, 1), (2, 2), (4, 1)])
def test_ranks_share_the_micro_batches_of_accumulation_in_turn(world_size, accumulation):
    alone = list(MicroBatches(count=7, batch_size=3, steps=4, accumulation=world_size * accumulation))
    ranks = [
        list(MicroBatches(7, 3, 4, accumulation, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert [batch for turn in zip(*ranks, strict=True) for batch in turn] == alone


def schedule_values(arguments, steps):
    optimizer = torch.optim.AdamW(
        [{"params": [torch.zeros(1)], "lr": 6e-5}, {"params": [torch.zeros(1)], "lr": 6e-4}]
    )
    schedule = build_schedule(optimizer, arguments)
    values = []
    for _ in range(steps):
        values.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return np.array(values)


def test_the_schedule_is_mmcvs_poly_with_linear_warm_up():
    arguments = OptimizationArguments(
        max_steps=100, warmup_steps=10, warmup_ratio=1e-6, power=0.9, min_lr=1e-6
    )
    values = schedule_values(arguments, 101)
    for step in range(101):  # mmcv's own two formulas, per group
        for group, base in enumerate((6e-5, 6e-4)):
            regular = (base - 1e-6) * (1 - step / 100) ** 0.9 + 1e-6
            k = (1 - step / 10) * (1 - 1e-6)
            expected = regular * (1 - k) if step < 10 else regular
            assert values[step, group] == pytest.approx(expected, rel=1e-12)


def test_without_warm_up_the_first_step_has_the_full_rate():
    assert schedule_values(OptimizationArguments(max_steps=4, warmup_steps=0), 1)[0, 0] == 6e-5


@pytest.fixture(scope="module")
def model():
    return SapaSegformerForSemanticSegmentation(
        SapaSegformerConfig(
            hidden_sizes=[8, 8, 8, 8], depths=[1] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=8
        )
    )


def test_parameter_groups_are_the_papers(model):
    groups = {
        group["name"]: group for group in parameter_groups(model, OptimizationArguments(), ["decode_head."])
    }
    settings = {name: (group["lr"], group["weight_decay"]) for name, group in groups.items()}
    assert settings == {
        "backbone": (6e-5, 0.01),
        "backbone without decay": (6e-5, 0.0),
        "head": (pytest.approx(6e-4), 0.01),
    }
    head, plain, exempt = (
        set(groups[n]["parameter_names"]) for n in ("head", "backbone", "backbone without decay")
    )
    assert head == {name for name, _ in model.named_parameters() if name.startswith("decode_head.")}
    # "head" matches before "norm": the head's norms, the upsamplers' among them, keep their decay.
    assert {"decode_head.batch_norm.weight", "decode_head.upsamplers.0.norm_guide.weight"} <= head
    assert all("norm" in name for name in exempt) and not any("norm" in name for name in plain)
    assert len(exempt) == 2 * sum(isinstance(m, torch.nn.LayerNorm) for m in model.segformer.modules())
    assert "segformer.stages.0.blocks.0.attention.q_proj.bias" in plain  # biases decay
    assert len(head) + len(plain) + len(exempt) == len(list(model.parameters()))


def test_upsamplers_can_have_a_rate_of_their_own(model):
    arguments = OptimizationArguments(upsampler_lr_multiplier=0.25, no_decay=["bias"], no_decay_in_head=True)
    groups = {group["name"]: group for group in parameter_groups(model, arguments, ["decode_head."])}
    rates = {name: group["lr"] for name, group in groups.items() if "without" not in name}
    assert rates == {
        "backbone": pytest.approx(6e-5),
        "head": pytest.approx(6e-4),
        "upsamplers": pytest.approx(1.5e-4),
    }
    own = {*groups["upsamplers"]["parameter_names"], *groups["upsamplers without decay"]["parameter_names"]}
    assert own == {name for name, _ in model.named_parameters() if ".upsamplers." in name}
    assert sum(len(group["params"]) for group in groups.values()) == len(list(model.parameters()))


def test_no_decay_can_cover_the_head_and_biases(model):
    arguments = OptimizationArguments(no_decay=["norm", "bias"], no_decay_in_head=True, head_lr_multiplier=2)
    groups = {group["name"]: group for group in parameter_groups(model, arguments, ["decode_head."])}
    assert "decode_head.classifier.bias" in groups["head without decay"]["parameter_names"]
    assert groups["head without decay"]["weight_decay"] == 0
    assert groups["head"]["lr"] == pytest.approx(1.2e-4)


def test_frozen_parameters_are_left_out(model):
    frozen = model.decode_head.classifier.bias
    frozen.requires_grad_(False)
    optimizer = build_optimizer(model, OptimizationArguments(), ["decode_head."])
    frozen.requires_grad_(True)
    assert not any(p is frozen for group in optimizer.param_groups for p in group["params"])


def test_a_head_that_matches_nothing_is_refused(model):
    with pytest.raises(ValueError, match="no trainable parameter begins with nothing"):
        parameter_groups(model, OptimizationArguments(), ["nothing"])
