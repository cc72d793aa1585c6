import pytest
import torch
import torch.nn.functional as F
from operator_contract import ReassemblyContract

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


class TestSapaI(ReassemblyContract):
    name = "sapa-i"

    def test_unequal_channels_are_refused_with_both_counts(self):
        with pytest.raises(ValueError, match="guide has 6 and the feature 9"):
            build_upsampler("sapa-i", 6, 9)


class TestSapaB(ReassemblyContract):
    name, feature_channels = "sapa-b", 9
    parameters = 2 * (6 + 9) + (6 * 4 + 4) + (9 * 4 + 4)


class TestSapaG(ReassemblyContract):
    name, feature_channels = "sapa-g", 9
    parameters = 2 * (6 + 9) + (6 * 4 + 4) + 2 * (9 * 4 + 4) + (9 + 1)


class TestSapaP(ReassemblyContract):
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
    @pytest.fixture(autouse=True)
    def _normalization(self, normalization):
        self.normalization = normalization

    def make(self, **options):
        return super().make(normalization=self.normalization, **options)


def test_new_projections_are_drawn_as_released():
    upsampler = SAPA(256, 256)
    assert 0.019 < upsampler.query_guide.weight.std() < 0.021
    assert upsampler.query_guide.bias.abs().sum() == 0


def test_sharp_guide_keeps_the_features_edge_sharp_where_bilinear_blurs_it():
    guide = torch.zeros(1, 2, 8, 16)
    guide[:, 0, :, :9], guide[:, 1, :, 9:] = 8.0, 8.0  # the edge lies inside a feature position
    feature = F.avg_pool2d(guide, 2)
    outside = SAPA(2, 2, similarity="inner", border="mask")(guide, feature)
    smooth = build_upsampler("bilinear", 2, 2)(guide, feature)
    assert (outside - guide).abs().mean() < 0.5 * (smooth - guide).abs().mean()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": "sapa-x"}, ValueError, "sapa-g.*'sapa-x' came"),
        ({"name": 3}, TypeError, "must be a string"),
        ({"kernel_size": 4}, ValueError, "odd.*4 came; try 5"),
        ({"kernel_size": 5.0}, TypeError, "odd integer"),
        ({"embedding_dim": 0}, ValueError, "at least 1"),
        ({"embedding_dim": True}, TypeError, "positive integer"),
        ({"normalization": "exp"}, ValueError, "softmax, relu"),
        ({"border": "reflect"}, ValueError, "zero, mask"),
        ({"kernel": 5}, TypeError, "Unknown upsampler options kernel"),
    ],
)
def test_wrong_options_are_refused_saying_what_there_is(options, error, message):
    with pytest.raises(error, match=message):
        build_upsampler(**{"name": "sapa-g", "guide_channels": 4, "feature_channels": 4, **options})


def test_exchanged_guide_and_feature_are_refused_by_channels():
    with pytest.raises(ValueError, match=r"guide must be \(B, 6, H, W\).*comes first"):
        build_upsampler("sapa-b", 6, 9)(torch.randn(1, 9, 4, 4), torch.randn(1, 6, 8, 8))
