"""What every network whose upsampling is replaced must do: a subclass says which network, and its sites."""

import copy

import pytest
import torch
from safetensors.torch import load_model, save_model

from sapa_hf import find_upsampling, replace_upsampling, restore_upsampling

FLATTEN = torch.utils._pytree.tree_leaves


class SwapContract:
    """Attributes: the sites that are replaced, in order; the mode of all; a size unlike the example's."""

    sites: tuple[str, ...]
    mode = "bilinear"
    other_size = (96, 32)

    def network(self):
        raise NotImplementedError

    def example(self):
        return {"pixel_values": torch.randn(2, 3, 64, 96)}

    def make(self):
        """The network, whose running statistics matter, and what it is called with."""
        torch.manual_seed(0)
        model = self.network().eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
        return model, self.example()

    def swapped(self):
        model, example = self.make()
        table = replace_upsampling(model, "sapa-b", example, embedding_dim=4)
        return model, example, table

    def test_the_table_names_what_is_replaced_and_leaves_the_network_alone(self):
        model, example = self.make()
        before, keys = run(model, example), set(model.state_dict())
        table = find_upsampling(model, example)
        assert tuple(site.name for site in table.replaced) == self.sites
        assert all(site.guide is not None and site.merged for site in table.replaced)
        assert str(table).count("| yes") == len(self.sites)
        assert same(run(model, example), before) and set(model.state_dict()) == keys

    def test_the_name_of_what_is_there_changes_no_bit(self):
        model, example = self.make()
        before = run(model, example)
        table = replace_upsampling(model, self.mode, example)
        assert tuple(site.name for site in table.replaced) == self.sites
        assert same(run(model, example), before)

    def test_a_swap_holds_for_other_sizes_than_the_example_s(self):
        model, example = self.make()
        image = torch.randn(1, 3, *self.other_size)
        other = {"pixel_values": image} if isinstance(example, dict) else image
        before = run(model, other)
        replace_upsampling(model, self.mode, example)
        assert same(run(model, other), before)
        restore_upsampling(model)
        replace_upsampling(model, "sapa-b", example)
        after = run(model, other)
        assert [part.shape for part in after] == [part.shape for part in before] and not same(after, before)
        assert all(part.isfinite().all() for part in after)

    def test_new_weights_stand_at_their_sites_and_learn(self):
        model, example, table = self.swapped()
        new = {name: each for name, each in model.named_parameters() if ".guided_upsamplers." in f".{name}"}
        assert {name.split(".guided_upsamplers")[0] for name in new} == {site.path for site in table.replaced}
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)  # steps by the sign
        model.train()
        sum(part.float().square().mean() for part in flat(call(model, example))).backward()
        assert not [name for name, each in new.items() if each.grad is None or not each.grad.any()]
        before = [each.detach().clone() for each in new.values()]
        optimizer.step()
        assert not any(map(torch.equal, before, new.values()))

    def test_a_swapped_network_is_saved_loaded_and_copied(self, tmp_path):
        model, example, _ = self.swapped()
        for name, each in model.named_parameters():
            if "guided_upsamplers" in name:
                each.data.add_(0.1 * torch.randn_like(each))
        output = run(model, example)
        save_model(model, tmp_path / "model.safetensors")
        other = self.swapped()[0]
        load_model(other, tmp_path / "model.safetensors")
        assert same(run(other, example), output)
        assert same(run(copy.deepcopy(model), example), output)

    def test_what_is_restored_is_the_network_as_it_was(self):
        model, example = self.make()
        before, keys, kinds = run(model, example), set(model.state_dict()), list(map(type, model.modules()))
        replace_upsampling(model, "sapa-b", example)
        assert not same(run(model, example), before)
        restore_upsampling(model)
        assert same(run(model, example), before)
        assert set(model.state_dict()) == keys and list(map(type, model.modules())) == kinds


class CompiledContract(SwapContract):
    """The same, and compiled and exported: slow, so for networks that differ in how maps meet."""

    @pytest.mark.slow
    def test_a_swapped_network_is_compiled_in_one_graph(self):
        model, example, _ = self.swapped()
        compiled = torch.compile(model, backend="eager", fullgraph=True)
        torch.testing.assert_close(run(compiled, example), run(model, example))

    @pytest.mark.slow
    def test_a_swapped_network_is_exported(self):
        model, example, _ = self.swapped()
        args, kwargs = ((), example) if isinstance(example, dict) else ((example,), {})
        exported = torch.export.export(model, args, kwargs).module()
        torch.testing.assert_close(run(exported, example), run(model, example))


def call(model, example):
    return model(**example) if isinstance(example, dict) else model(example)


def flat(output):
    return [part for part in FLATTEN(output) if isinstance(part, torch.Tensor)]


def run(model, example):
    with torch.no_grad():
        return flat(call(model, example))


def same(first, second):
    return len(first) == len(second) and all(map(torch.equal, first, second))
