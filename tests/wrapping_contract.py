"""What a model keeps to when others act on its layers: offloading, adapters, hooks, shards."""

import copy

import pytest
import torch
from accelerate import cpu_offload
from torch import nn

LAYERS = (nn.Linear, nn.Conv2d)
CONTAINERS = (nn.ModuleList, nn.ModuleDict)  # have no forward


class LowRank(nn.Module):
    """A layer with a trainable low-rank term beside it, called as peft's LoRA layers are."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer.requires_grad_(False)
        if isinstance(layer, nn.Linear):
            self.down = nn.Linear(layer.in_features, 2, bias=False)
            self.up = nn.Linear(2, layer.out_features, bias=False)
        else:
            self.down = copy.deepcopy(layer)
            self.down.weight = nn.Parameter(0.1 * torch.randn(2, *layer.weight.shape[1:]))
            self.down.bias = None
            self.up = nn.Conv2d(2, layer.out_channels, 1, bias=False)

    def forward(self, x, *args, **kwargs):
        return self.layer(x, *args, **kwargs) + self.up(self.down(x))

    def merge(self):
        """Return the plain layer that computes the same."""
        with torch.no_grad():
            self.layer.weight += (self.up.weight.flatten(1) @ self.down.weight.flatten(1)).view_as(
                self.layer.weight
            )
        return self.layer


def head_layers(model, heads):
    """Name every linear layer and convolution of a model's head; one by groups has no low rank to add."""
    return {
        f"{head}.{name}": layer
        for head in heads
        for name, layer in model.get_submodule(head).named_modules()
        if isinstance(layer, LAYERS) and getattr(layer, "groups", 1) == 1
    }


def sharding_units(model):
    """Name every module that has parameters and a forward, inner ones first."""
    units = [
        module
        for module in model.modules()
        if not isinstance(module, CONTAINERS) and any(True for _ in module.parameters())
    ]
    return units[::-1]


def places(model, heads, name=""):
    """Give every part of a model a place for accelerate: the heads on disk, the rest in memory."""
    if name in heads:
        return {name: "disk"}
    if not any(head.startswith(f"{name}." if name else "") for head in heads):
        return {name: "cpu"}
    module, prefix, parts = model.get_submodule(name), f"{name}." if name else "", {}
    for child, _ in module.named_children():
        parts |= places(model, heads, prefix + child)
    return parts | {prefix + own: "cpu" for own, _ in module.named_parameters(recurse=False)}


class WrappingContract:
    """Part of the contract of all models; `heads` names the model's own parts beside its encoder."""

    heads: tuple[str, ...] = ()
    rounding = 1e-5  # by how much an output may differ that is computed in another order
    uncalled: tuple[str, ...] = ()  # modules of transformers whose weights it reads without calling them

    def scattered(self, upsampler):
        """A model whose every parameter matters."""
        model = self.make(upsampler=upsampler)
        with torch.no_grad():
            for head in self.heads:
                for parameter in model.get_submodule(head).parameters():
                    parameter += 0.1 * torch.randn_like(parameter)
        return model

    def test_offloaded_to_memory_it_computes_the_same(self, upsampler):
        model, images = self.scattered(upsampler), self.images(1)
        expected = self.predict(model, images)
        cpu_offload(model, execution_device=torch.device("cpu"))
        assert all(parameter.is_meta for parameter in model.parameters())
        torch.testing.assert_close(self.predict(model, images), expected)

    @pytest.mark.parametrize("chosen", ["a2u", "sapa-g"])
    def test_loaded_with_its_head_on_disk_it_computes_the_same(self, chosen, tmp_path):
        model, images = self.scattered(chosen), self.images(1)
        model.save_pretrained(tmp_path / "model")
        offloaded = self.model_class.from_pretrained(
            tmp_path / "model", device_map=places(model, self.heads), offload_folder=tmp_path / "offloaded"
        )
        assert all(p.is_meta for head in self.heads for p in offloaded.get_submodule(head).parameters())
        expected = self.predict(model, images)
        rounding = self.rounding * max(1, expected.abs().max().item())
        torch.testing.assert_close(
            self.predict(offloaded.eval(), images), expected, rtol=1.3e-6, atol=rounding
        )

    def test_a_low_rank_term_on_any_layer_of_the_head_learns_and_can_be_merged(self, upsampler):
        model, images = self.scattered(upsampler).double(), self.images(2).double()
        for name in head_layers(model, self.heads):
            model.set_submodule(name, LowRank(model.get_submodule(name)).double())
        output = self.main(model(images))
        (output * torch.randn_like(output)).sum().backward()
        adapters = {name: part for name, part in model.named_modules() if isinstance(part, LowRank)}
        for name, adapter in adapters.items():
            assert adapter.up.weight.grad.any() and adapter.down.weight.grad.any(), name
        for name, adapter in adapters.items():
            model.set_submodule(name, adapter.merge())
        torch.testing.assert_close(self.predict(model, images), output.detach())

    @pytest.mark.parametrize("chosen", ["bilinear", "a2u", "sapa-g"])
    def test_peft_adapts_every_layer_of_the_head(self, chosen):
        peft = pytest.importorskip("peft", reason="peft is not installed")
        model, images = self.scattered(chosen).double(), self.images(2).double()
        plain = self.predict(model, images)
        layers = head_layers(model, self.heads)  # peft's convolutions have no dilation
        names = [name for name, layer in layers.items() if getattr(layer, "dilation", (1, 1)) == (1, 1)]
        adapted = peft.get_peft_model(
            model, peft.LoraConfig(r=2, target_modules=names, init_lora_weights=False)
        ).eval()
        output = self.main(adapted(images))
        (output * torch.randn_like(output)).sum().backward()
        without = [n for n, p in adapted.named_parameters() if "lora_" in n and not p.grad.any()]
        assert without == [] and not torch.allclose(output, plain)
        merged = self.predict(adapted.merge_and_unload(), images)
        torch.testing.assert_close(merged, output.detach())

    def test_forward_hooks_of_all_modules_with_parameters_run_and_change_nothing(self, upsampler):
        model, images = self.scattered(upsampler), self.images(1)
        expected, run = self.predict(model, images), set()
        units = sharding_units(model)
        for module in units:
            module.register_forward_hook(lambda module, *_: run.add(module))
        torch.testing.assert_close(self.predict(model, images), expected)
        names = {module: name for name, module in model.named_modules()}
        assert [names[module] for module in units if module not in run] == list(self.uncalled)
