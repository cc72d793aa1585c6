"""What every upsampler promises, whatever its arithmetic; a subclass names one and adds its own."""

import re

import loops
import pytest
import torch

from sapa_hf import build_upsampler
from sapa_hf.modeling import sapa


class UpsamplerContract:
    """Subclasses set `name`, and the class attributes where an upsampler differs."""

    name: str
    guide_channels, feature_channels = 6, 6
    parameters = 0
    deviation = 0.5  # of the parameters: away from the tiny initial weights, so that gradients show
    sizes = [
        ((4, 6), (8, 12)),
        ((5, 3), (15, 9)),
        ((7, 9), (13, 18)),
        ((1, 1), (2, 2)),
        ((3, 2), (3, 2)),
        ((1, 4), (5, 7)),
    ]
    traced_sizes = (5, 3), (10, 7)

    def pytest_generate_tests(self, metafunc):
        if "guide_size" in metafunc.fixturenames:
            metafunc.parametrize(("feature_size", "guide_size"), self.sizes)

    def make(self, **options):
        upsampler = build_upsampler(self.name, self.guide_channels, self.feature_channels, **options)
        for parameter in upsampler.parameters():
            torch.nn.init.normal_(parameter, std=self.deviation)
        return upsampler

    def maps(self, feature_size=(4, 6), guide_size=(8, 12), batch=2, **factory):
        guide = torch.randn(batch, self.guide_channels, *guide_size, **factory)
        feature = torch.randn(batch, self.feature_channels, *feature_size, **factory)
        return guide, feature

    def test_attributes_say_what_it_can(self):
        upsampler = self.make()
        assert upsampler.reassembles == isinstance(self, ReassemblyContract)
        assert upsampler.doubles == isinstance(self, DoublingContract)

    def test_every_size_comes_out_at_the_guides_size(self, feature_size, guide_size):
        guide, feature = self.maps(feature_size, guide_size)
        output = self.make()(guide, feature)
        assert output.shape == (2, self.feature_channels, *guide_size)
        assert output.isfinite().all()

    def test_counts_of_parameters_are_as_stated(self):
        assert sum(p.numel() for p in self.make(embedding_dim=4).parameters()) == self.parameters

    def test_gradients_agree_with_finite_differences(self):
        upsampler = self.make(kernel_size=3, embedding_dim=4).double()
        guide, feature = self.maps((2, 3), (4, 5), batch=1, dtype=torch.float64)
        upsample = lambda *maps: upsampler(*maps)  # noqa: E731
        maps = guide.requires_grad_(), feature.requires_grad_()
        assert torch.autograd.gradcheck(upsample, maps, fast_mode=True)

    def test_every_parameter_gets_a_gradient(self):
        upsampler, (guide, feature) = self.make(), self.maps()
        upsampler(guide, feature.requires_grad_()).square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in upsampler.parameters())

    def test_layout_of_the_inputs_changes_nothing(self):
        upsampler, (guide, feature) = self.make(), self.maps()
        expected = upsampler(guide, feature)
        wide = torch.randn(2, self.feature_channels, 4, 12)
        wide[..., ::2] = feature  # a strided view of a larger map
        channels_last = guide.to(memory_format=torch.channels_last)
        torch.testing.assert_close(upsampler(channels_last, wide[..., ::2]), expected)

    def test_images_of_a_batch_do_not_meet(self):
        upsampler, (guide, feature) = self.make(), self.maps()
        alone = torch.cat([upsampler(guide[i : i + 1], feature[i : i + 1]) for i in range(2)])
        torch.testing.assert_close(upsampler(guide, feature), alone)

    def test_empty_batch_comes_out_empty(self):
        assert self.make()(*self.maps(batch=0)).shape == (0, self.feature_channels, 8, 12)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision_keeps_its_dtype_and_accuracy(self, dtype):
        upsampler, (guide, feature) = self.make(), self.maps()
        exact = upsampler(guide, feature)
        output = upsampler.to(dtype)(guide.to(dtype), feature.to(dtype))
        assert output.dtype == dtype
        torch.testing.assert_close(output.float(), exact, rtol=0.05, atol=0.1)

    def test_autocast_runs_and_stays_close(self):
        upsampler, (guide, feature) = self.make(), self.maps()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = upsampler(guide, feature)
        torch.testing.assert_close(output.float(), upsampler(guide, feature), rtol=0.05, atol=0.1)

    @pytest.mark.slow  # with every operator
    def test_traced_whole_it_gives_the_same(self):
        upsampler, (guide, feature) = self.make(), self.maps(*self.traced_sizes)
        torch.compiler.reset()
        traced = torch.compile(upsampler, fullgraph=True, backend="eager")
        torch.testing.assert_close(traced(guide, feature), upsampler(guide, feature))
        with torch.no_grad():
            torch.testing.assert_close(traced(guide, feature), upsampler(guide, feature))

    def test_exported_it_gives_the_same(self):
        upsampler, maps = self.make(), self.maps(*self.traced_sizes)
        torch.testing.assert_close(torch.export.export(upsampler, maps).module()(*maps), upsampler(*maps))

    def test_guide_smaller_than_the_feature_is_refused(self):
        guide, feature = self.maps((8, 12), (4, 6))
        with pytest.raises(ValueError, match=r"\(4, 6\).*\(8, 12\).*exchanged"):
            self.make()(guide, feature)

    def test_state_dict_round_trip_gives_the_same(self):
        upsampler, again, maps = self.make(), self.make(), self.maps()
        again.load_state_dict(upsampler.state_dict())
        assert torch.equal(upsampler(*maps), again(*maps))


class ReassemblyContract(UpsamplerContract):
    """Upsamplers that sum positions with weights shared by all channels."""

    def test_channel_mixing_commutes_with_the_upsampling(self):
        upsampler, (guide, feature) = self.make().double(), self.maps(dtype=torch.float64)
        weight = torch.randn(9, self.feature_channels, 1, 1, dtype=torch.float64)
        mixed = torch.nn.functional.conv2d(upsampler(guide, feature), weight)
        value = torch.nn.functional.conv2d(feature, weight)
        torch.testing.assert_close(upsampler(guide, feature, value), mixed)

    @pytest.mark.parametrize("shape", [(2, 5, 6, 6), (2, 5, 4, 7), (1, 5, 4, 6), (5, 4, 6)])
    def test_a_value_map_that_does_not_stand_at_the_features_positions_is_refused(self, shape):
        with pytest.raises(ValueError, match="value stands in for the feature"):
            self.make()(*self.maps((4, 6), (8, 12)), torch.zeros(shape))


class DoublingContract(UpsamplerContract):
    """Upsamplers whose weights are made for the factor two."""

    sizes = [
        ((4, 6), (8, 12)),
        ((7, 9), (13, 18)),
        ((5, 3), (10, 5)),
        ((3, 2), (5, 3)),
        ((1, 1), (2, 2)),
        ((1, 4), (1, 8)),
    ]
    traced_sizes = (5, 3), (10, 5)

    @pytest.mark.parametrize("size", [(4, 6), (6, 12), (8, 10), (8, 13), (9, 12), (16, 24)])
    def test_other_factors_than_two_are_refused_naming_both_sizes_and_the_way_out(self, size):
        guide, feature = self.maps((4, 6), size)
        with pytest.raises(
            ValueError, match=rf"\(4, 6\).*\(8, 12\).*{re.escape(str(size))}\. Chain steps.*'fade'"
        ):
            self.make()(guide, feature)


class KernelContract(UpsamplerContract):
    """Upsamplers that assemble windows and show the weights they do it with."""

    window = 5
    shares_sum_to_one = True

    def plain(self, **options):
        """The upsampler with nothing after its assembly."""
        return self.make(**options)

    def test_kernels_are_what_the_output_is_assembled_with(self):
        upsampler, maps = self.plain().double(), self.maps(*self.traced_sizes, dtype=torch.float64)
        (size, guide_size), kernels = self.traced_sizes, upsampler.kernels(*maps)
        assert kernels.shape == (2, *guide_size, self.window**2)
        centre = loops.scaled(size, guide_size)
        assembled = [
            loops.assemble(kernel.permute(2, 0, 1), feature, centre)
            for kernel, feature in zip(kernels, maps[1], strict=True)
        ]
        torch.testing.assert_close(upsampler(*maps), torch.stack(assembled))
        if self.shares_sum_to_one:
            torch.testing.assert_close(kernels.sum(-1), torch.ones_like(kernels[..., 0]))

    def test_output_is_computed_without_the_kernels(self, monkeypatch):
        upsampler, maps = self.make(), self.maps()
        expected = upsampler(*maps)
        for owner, name in ((type(upsampler), "kernels"), (sapa, "affiliation_weights")):
            monkeypatch.setattr(owner, name, None)
        assert torch.equal(upsampler(*maps), expected)
