import math

import pytest
import torch
import torch.nn.functional as F
from operator_contract import DoublingContract, KernelContract, ReassemblyContract

from sapa_hf import SAPA, build_upsampler


class TestNearest(ReassemblyContract):
    name = "nearest"

    def test_integer_factor_repeats_every_position(self):
        guide, feature = self.maps()
        expected = feature.repeat_interleave(2, 2).repeat_interleave(2, 3)
        assert torch.equal(self.make()(guide, feature), expected)


class TestBilinear(ReassemblyContract):
    name = "bilinear"

    def test_equals_torch_interpolate(self):
        guide, feature = self.maps((4, 6), (9, 13))
        expected = F.interpolate(feature, size=(9, 13), mode="bilinear", align_corners=False)
        assert torch.equal(self.make()(guide, feature), expected)


class TestGaussian(ReassemblyContract, KernelContract):
    name, parameters = "gaussian", 1


class TestSapaFromBilinear(ReassemblyContract, KernelContract):
    name, feature_channels = "sapa-g", 9
    parameters = 2 * (6 + 9) + (6 * 4 + 4) + 2 * (9 * 4 + 4) + (9 + 1) + 1

    def make(self, **options):
        return super().make(start="bilinear", **options)


class TestSapaI(ReassemblyContract, KernelContract):
    name = "sapa-i"


class TestSapaB(ReassemblyContract, KernelContract):
    name, feature_channels = "sapa-b", 9
    parameters = 2 * (6 + 9) + (6 * 4 + 4) + (9 * 4 + 4)


class TestSapaG(ReassemblyContract, KernelContract):
    name, feature_channels = "sapa-g", 9
    parameters = 2 * (6 + 9) + (6 * 4 + 4) + 2 * (9 * 4 + 4) + (9 + 1)


class TestSapaP(ReassemblyContract, KernelContract):
    name, feature_channels = "sapa-p", 9
    parameters = 2 * (6 + 9) + (6 * 4 + 4) + 2 * (9 * 4 + 4)


class TestSapaMasked(TestSapaG):
    def make(self, **options):
        return super().make(border="mask", **options)

    def test_a_constant_feature_stays_constant_up_to_the_border(self):
        guide = torch.randn(1, 6, 8, 12)
        output = self.make()(guide, torch.full((1, 9, 4, 6), 3.0))
        torch.testing.assert_close(output, torch.full((1, 9, 8, 12), 3.0))


@pytest.mark.parametrize("normalization", ["relu", "sigmoid", "softplus"])
class TestSapaOtherKernels(TestSapaB):
    shares_sum_to_one = False  # where all responses are near 0, epsilon takes the rest

    @pytest.fixture(autouse=True)
    def _normalization(self, normalization):
        self.normalization = normalization

    def make(self, **options):
        return super().make(normalization=self.normalization, **options)


class TestDeconv(DoublingContract):
    name = "deconv"
    parameters = 9 * 6 * 6 + 6


class TestPixelShuffle(DoublingContract):
    name = "pixel_shuffle"
    parameters = 9 * 6 * 24 + 24


class TestPixelTCL(DoublingContract):
    name = "pixel_tcl"
    parameters = 27 * 6 * 6
    deviation = 0.14  # three convolutions follow each other


class TestBilinearAdditive(DoublingContract):
    name, feature_channels = "bilinear_additive", 8
    parameters = 9 * 2 * 8 + 8


class WithIndices(torch.nn.Module):
    """Max unpooling called as all others are: a fixed wave over the guide's pixels is what was pooled."""

    def __init__(self, unpool):
        super().__init__()
        self.unpool, self.doubles, self.reassembles = unpool, unpool.doubles, unpool.reassembles

    def forward(self, guide, feature):
        size = feature.shape[1], *guide.shape[2:]
        wave = torch.arange(math.prod(size)).double().sin().reshape(1, *size)
        _, indices = F.max_pool2d(wave, 2, ceil_mode=True, return_indices=True)
        return self.unpool(guide, feature, indices.expand(feature.shape[0], -1, -1, -1))


class TestMaxUnpool(DoublingContract):
    name = "max_unpool"

    def make(self, **options):
        return WithIndices(super().make(**options))


class TestCarafe(ReassemblyContract, KernelContract, DoublingContract):
    name, feature_channels = "carafe", 9
    deviation = 0.1
    parameters = (9 * 64 + 64) + (9 * 64 * 100 + 100)

    def test_masked_a_constant_feature_stays_constant_up_to_the_border(self):
        output = self.make(border="mask")(torch.randn(1, 6, 7, 12), torch.full((1, 9, 4, 6), 3.0))
        torch.testing.assert_close(output, torch.full((1, 9, 7, 12), 3.0))


class TestIndexNet(ReassemblyContract, KernelContract, DoublingContract):
    name, feature_channels = "indexnet", 9
    parameters = 32 * 6 * 6 + 12 * 6
    window, shares_sum_to_one = 1, False

    def make(self, **options):
        upsampler = super().make(**options).eval()
        torch.nn.init.normal_(upsampler.normalization.running_mean)
        torch.nn.init.uniform_(upsampler.normalization.running_var, 0.5, 2)
        return upsampler


class TestIndexNetInTraining(TestIndexNet):
    def make(self, **options):
        return super().make(**options).train()

    def test_images_of_a_batch_do_not_meet(self):
        """They do: the statistics are the batch's; test_operators.py has the numbers."""
        with pytest.raises(AssertionError):
            super().test_images_of_a_batch_do_not_meet()


class TestA2U(ReassemblyContract, KernelContract, DoublingContract):
    name, feature_channels = "a2u", 9
    parameters = 42 * 6 + 38
    window = 3


class TestFade(ReassemblyContract, KernelContract):
    name, feature_channels = "fade", 9
    deviation = 0.1
    parameters = (6 * 64 + 64) + 9 * 64 + (9 * 64 * 25 + 25)


class TestFadeGated(KernelContract):
    name = "fade"
    deviation = 0.1
    parameters = (6 * 64 + 64) + 6 * 64 + (9 * 64 * 25 + 25) + (6 + 1)

    def plain(self, **options):
        upsampler = self.make(**options)
        torch.nn.init.constant_(upsampler.gate.bias, -1e4)
        return upsampler

    def test_open_gate_lets_the_guide_through(self):
        upsampler, (guide, feature) = self.make(), self.maps()
        torch.nn.init.constant_(upsampler.gate.bias, 1e4)
        assert torch.equal(upsampler(guide, feature), guide)


class TestDySample(DoublingContract):
    name, feature_channels = "dysample", 8
    parameters = 32 * 8 + 32


class TestSapaD(DoublingContract):
    name, feature_channels = "sapa-d", 8
    deviation = 0.2
    parameters = 128 * (6 + 1) + 128 * (8 + 1) + 288 * (8 + 1)


@pytest.mark.parametrize(
    ("name", "layer", "deviation"),
    [
        ("sapa-g", "query_guide", 0.02),
        ("carafe", "compress", (2 / (256 + 64)) ** 0.5),
        ("carafe", "encode", 0.001),
        ("fade", "compress_guide", (2 / (256 + 64)) ** 0.5),
        ("fade", "encode", (2 / (9 * (64 + 25))) ** 0.5),
        ("dysample", "offset", 0.001),
        ("sapa-d", "offset", 0.02),
    ],
)
def test_new_weights_are_drawn_as_released(name, layer, deviation):
    weights = build_upsampler(name, 256, 256).get_submodule(layer)
    assert 0.95 * deviation < weights.weight.std() < 1.05 * deviation
    assert weights.bias.abs().sum() == 0


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("deconv", 590_080),
        ("pixel_shuffle", 2_360_320),
        ("pixel_tcl", 1_769_472),
        ("bilinear_additive", 147_712),
        ("carafe", 74_148),
        ("indexnet", 2_100_224),
        ("fade", 47_514),
        ("dysample", 8_224),
        ("sapa-d", 139_808),
    ],
)
def test_256_channels_take_the_parameters_of_the_published_tables(name, published):
    upsampler = build_upsampler(name, 256, 256)
    assert sum(parameter.numel() for parameter in upsampler.parameters()) == published


def test_sharp_guide_keeps_the_features_edge_sharp_where_bilinear_blurs_it():
    guide = torch.zeros(1, 2, 8, 16)
    guide[:, 0, :, :9], guide[:, 1, :, 9:] = 8.0, 8.0  # the edge lies inside a feature position
    feature = F.avg_pool2d(guide, 2)
    outside = SAPA(2, 2, similarity="inner", border="mask")(guide, feature)
    smooth = build_upsampler("bilinear", 2, 2)(guide, feature)
    assert (outside - guide).abs().mean() < 0.5 * (smooth - guide).abs().mean()
