"""The merged way through SegFormer's head: the plain logits, taken where nothing else has its hand in."""

import copy

import pytest
import torch
from accelerate import cpu_offload
from torch import nn
from torch.nn.utils import parametrize
from wrapping_contract import LowRank

from sapa_hf import SapaSegformerConfig
from sapa_hf.modeling import segformer_head
from sapa_hf.modeling.segformer_head import SapaSegformerDecodeHead

SIZES = {"even": [(16, 24), (8, 12), (4, 6), (2, 3)], "odd": [(17, 25), (9, 13), (5, 7), (3, 4)]}


@pytest.fixture
def taken(monkeypatch):
    """Records every call of the merged way."""
    calls = []
    merged = segformer_head.merged_logits
    monkeypatch.setattr(
        segformer_head, "merged_logits", lambda *arguments: calls.append(1) or merged(*arguments)
    )
    return calls


def make(upsampler="sapa-g", width=24, channels=(8, 16, 16, 24), **fields):
    config = SapaSegformerConfig(
        hidden_sizes=channels,
        decoder_hidden_size=width,
        num_labels=7,
        upsampler=upsampler,
        upsampler_embedding_dim=8,
        **fields,
    )
    head = SapaSegformerDecodeHead(config).eval()
    for layer in head.modules():
        if (
            isinstance(layer, nn.LayerNorm) and layer.elementwise_affine
        ):  # affine parameters and statistics that matter
            nn.init.normal_(layer.weight, 1, 0.2)
            nn.init.normal_(layer.bias, 0, 0.2)
    nn.init.normal_(head.batch_norm.running_mean)
    nn.init.uniform_(head.batch_norm.running_var, 0.5, 2)
    return head


def maps(channels=(8, 16, 16, 24), sizes=SIZES["even"], dtype=torch.float32):
    return tuple(torch.randn(2, c, *size, dtype=dtype) for c, size in zip(channels, sizes, strict=True))


def plain(head, stages):
    return head(stages).detach()  # with a graph


def merged(head, stages):
    with torch.no_grad():
        return head(stages)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("options", [("zero", "average"), ("mask", "bilinear")], ids="-".join)
@pytest.mark.parametrize("upsampler", ["sapa-b", "sapa-g", "sapa-p"])
def test_it_gives_the_same_logits(upsampler, options, sizes, taken):
    border, start = options
    head = make(upsampler, upsampler_border=border, upsampler_start=start).double()
    stages = maps(sizes=sizes, dtype=torch.float64)
    torch.testing.assert_close(merged(head, stages), plain(head, stages), rtol=1e-9, atol=1e-11)
    assert taken == [1]


@pytest.mark.parametrize("upsampler", ["sapa-b", "sapa-g"])
def test_in_single_precision_it_differs_by_rounding_at_the_papers_sizes(upsampler, taken):
    channels, sizes = (64, 128, 320, 512), [(64, 64), (32, 32), (16, 16), (8, 8)]
    head = make(upsampler, 256, channels)
    stages = maps(channels, sizes)
    expected = plain(head, stages)
    assert (merged(head, stages) - expected).abs().max() <= 2e-6 * expected.abs().max()
    assert taken == [1]


def test_maps_in_either_memory_order_give_the_same(taken):
    head, stages = make().double(), maps(dtype=torch.float64)
    last = tuple(stage.contiguous(memory_format=torch.channels_last) for stage in stages)
    torch.testing.assert_close(merged(head, last), merged(head, stages))
    assert taken == [1, 1]


def test_it_follows_every_change_of_the_weights(taken):
    head, stages = make().double(), maps(dtype=torch.float64)
    before = merged(head, stages)
    optimizer = torch.optim.SGD(head.parameters(), 0.1)
    head.train()(stages).square().mean().backward()
    optimizer.step()
    head.eval()
    after = merged(head, stages)
    assert not torch.allclose(after, before)
    torch.testing.assert_close(after, plain(head, stages))
    for parameter in head.parameters():
        parameter.data.mul_(1.5)  # tells no version counter
    torch.testing.assert_close(merged(head, stages), plain(head, stages))
    head.load_state_dict(copy.deepcopy(make().double().state_dict()))
    torch.testing.assert_close(merged(head, stages), plain(head, stages))
    assert taken == [1] * 4


@pytest.mark.parametrize("upsampler", ["bilinear", "nearest", "carafe", "sapa-i"])
def test_other_upsamplers_do_not_take_it(upsampler, taken):
    merged(make(upsampler), maps())
    assert not taken


def test_several_heads_do_not_commute_with_the_fusion_and_do_not_take_it(taken):
    head, stages = make(upsampler_heads=2).double(), maps(dtype=torch.float64)
    torch.testing.assert_close(merged(head, stages), plain(head, stages))
    one = make(upsampler_heads=1).double()
    one.load_state_dict(head.state_dict())
    assert not taken and not torch.allclose(plain(head, stages), plain(one, stages))


@pytest.mark.slow
def test_training_small_maps_half_precision_and_graphs_do_not_take_it(taken):
    head, stages = make(), maps()
    head(stages)  # with a graph
    with torch.no_grad():
        head.train()(stages)
        head.eval()(maps(sizes=[(8, 8), (4, 4), (2, 2), (1, 1)]))
        with torch.autocast("cpu", torch.bfloat16):
            head(stages)
        torch.jit.trace(head, (stages,), check_trace=False)
        torch.compile(head, backend="eager")(stages)
        torch.export.export(head, (stages,))
        copy.deepcopy(head).bfloat16()(tuple(stage.bfloat16() for stage in stages))
        copy.deepcopy(head).to("meta")(tuple(stage.to("meta") for stage in stages))
    assert not taken


READ = ["linear_fuse", "batch_norm", "linear_c.1", "linear_c.0.proj", "upsamplers.3", "upsamplers.5.key"]


@pytest.mark.parametrize("name", READ)
def test_a_hook_on_a_layer_is_called_as_ever(name, taken):
    head, stages, called = make(), maps(), []
    head.get_submodule(name).register_forward_hook(lambda *_: called.append(1))
    merged(head, stages)
    assert called and not taken


def test_a_hook_on_all_modules_is_called_as_ever(taken):
    head, stages, called = make(), maps(), []
    handle = nn.modules.module.register_module_forward_hook(lambda module, *_: called.append(module))
    try:
        merged(head, stages)
    finally:
        handle.remove()
    assert set(head.modules()) - set(called) <= {
        module for module in head.modules() if isinstance(module, nn.ModuleList)
    } | {step.prior for step in head.upsamplers if step.prior is not None}
    assert not taken


@pytest.mark.parametrize("name", ["linear_fuse", "linear_c.0.proj", "upsamplers.2.query_guide"])
def test_an_adapter_acts_as_ever(name, taken):
    head, stages = make(), maps()
    parent, _, child = name.rpartition(".")
    adapter = LowRank(head.get_submodule(name))
    nn.init.normal_(adapter.up.weight)
    setattr(head.get_submodule(parent), child, adapter)
    torch.testing.assert_close(merged(head, stages), plain(head, stages))
    assert not taken


def test_a_parametrised_layer_acts_as_ever(taken):
    class Doubled(nn.Module):
        def forward(self, weight):
            return 2 * weight

    head, stages = make(), maps()
    before = plain(head, stages)
    parametrize.register_parametrization(head.linear_c[0].proj, "weight", Doubled())
    assert not torch.allclose(merged(head, stages), before)
    torch.testing.assert_close(merged(head, stages), plain(head, stages))
    assert not taken


def test_an_offloaded_head_acts_as_ever(taken):
    head, stages = make(), maps()
    expected = merged(head, stages)
    assert taken == [1]
    cpu_offload(head, execution_device=torch.device("cpu"))
    torch.testing.assert_close(merged(head, stages), expected)
    assert taken == [1]
