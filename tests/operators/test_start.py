"""SAPA that starts where bilinear is: distances, the bias in every implementation, and the start itself."""

import pytest
import torch
import torch.nn.functional as F

from sapa_hf.modeling import SAPA, build_upsampler, sapa_upsample
from sapa_hf.modeling.affiliation_definition import affiliation_by_definition
from sapa_hf.modeling.distance_prior import BILINEAR_FALLOFF, DistancePrior, tap_distances
from sapa_hf.modeling.place_bias import logits_by_place

SIZES = [((4, 6), (8, 12)), ((5, 7), (11, 16)), ((1, 1), (3, 2)), ((6, 5), (6, 5)), ((3, 4), (12, 16))]


def maps(feature_size, guide_size, dtype=torch.float64):
    height, width = feature_size
    query = torch.randn(2, *guide_size, 3, dtype=dtype, requires_grad=True)
    key = torch.randn(2, height, width, 3, dtype=dtype, requires_grad=True)
    value = torch.randn(2, height, width, 4, dtype=dtype, requires_grad=True)
    tables = [torch.randn(size, 5, dtype=dtype, requires_grad=True) for size in guide_size]
    return query, key, value, tables


def test_distances_are_those_of_interpolation_without_aligned_corners():
    low, high = 5, 13
    distances = tap_distances(high, low, 5)
    for pixel in range(high):
        place = (pixel + 0.5) * low / high - 0.5
        for tap in range(5):
            position = pixel * low // high + tap - 2
            assert distances[pixel, tap].item() == pytest.approx(place - position, abs=1e-6)


def test_falloff_has_bilinears_ratio_between_the_nearest_taps():
    rows, _ = DistancePrior()((8, 8), (4, 4), 3)
    nearest = rows.softmax(-1).sort(descending=True).values
    assert (nearest[3, 0] / nearest[3, 1]).item() == pytest.approx(3)


def test_falloff_of_nothing_is_the_papers_sapa():
    module, plain = SAPA(6, 6, start="bilinear"), SAPA(6, 6)
    torch.nn.init.zeros_(module.prior.falloff)
    plain.load_state_dict({k: v for k, v in module.state_dict().items() if not k.startswith("prior")})
    guide, feature = torch.randn(1, 6, 8, 8), torch.randn(1, 6, 4, 4)
    torch.testing.assert_close(module(guide, feature), plain(guide, feature))


@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize(("feature_size", "guide_size"), SIZES)
def test_definition_adds_the_tables_to_every_tap(feature_size, guide_size, border):
    query, key, value, (rows, columns) = maps(feature_size, guide_size)
    found = affiliation_by_definition(query, key, value, 5, border, bias=(rows, columns))
    (height, width), reach = feature_size, 2
    for y in range(guide_size[0]):
        for x in range(guide_size[1]):
            logits, values = [], []
            for i in range(5):
                for j in range(5):
                    row = y * height // guide_size[0] + i - reach
                    column = x * width // guide_size[1] + j - reach
                    inside = 0 <= row < height and 0 <= column < width
                    if not inside and border == "mask":
                        continue
                    score = (query[0, y, x] * key[0, row, column]).sum() if inside else 0.0
                    logits.append(score + rows[y, i] + columns[x, j])
                    values.append(value[0, row, column] if inside else torch.zeros_like(value[0, 0, 0]))
            expected = (torch.stack(logits).softmax(0)[:, None] * torch.stack(values)).sum(0)
            torch.testing.assert_close(found[0, y, x], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("backend", ["tiled", "windowed"])
@pytest.mark.parametrize("border", ["zero", "mask"])
@pytest.mark.parametrize(("feature_size", "guide_size"), SIZES)
def test_implementations_agree_with_the_definition(feature_size, guide_size, border, backend):
    query, key, value, tables = maps(feature_size, guide_size)
    inputs = (query, key, value, *tables)
    upstream = torch.randn(2, *guide_size, 4, dtype=torch.float64)
    outcomes = []
    for name in ("definition", backend):
        output = sapa_upsample(query, key, value, 5, border, backend=name, bias=tuple(tables))
        outcomes.append([output, *torch.autograd.grad((output * upstream).sum(), inputs)])
    for one, other in zip(*outcomes, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_tables_of_another_size_are_refused():
    query, key, value, (rows, columns) = maps((4, 6), (8, 12))
    with pytest.raises(ValueError, match=r"bias must be two tables .*\(8, 5\) and \(12, 5\)"):
        sapa_upsample(query, key, value, 5, "mask", bias=(columns, rows))


@pytest.mark.parametrize("similarity", ["bilinear", "gated", "addition"])
@pytest.mark.parametrize("guide_size", [(32, 24), (27, 23), (64, 48)])
def test_first_output_is_close_to_bilinears(similarity, guide_size):
    upsampler = SAPA(64, 64, similarity, border="mask", start="bilinear")
    guide, feature = torch.randn(1, 64, *guide_size), torch.randn(1, 64, 16, 12)
    bilinear = F.interpolate(feature, guide_size, mode="bilinear")
    paper = SAPA(64, 64, similarity, border="mask")

    def distance(output):
        return ((output - bilinear).abs().mean() / bilinear.abs().mean()).item()

    assert distance(upsampler(guide, feature)) < 0.35 < 0.9 < distance(paper(guide, feature))


def test_kernels_are_those_that_the_output_is_assembled_with():
    upsampler = SAPA(6, 6, border="mask", start="bilinear")
    guide, feature = torch.randn(1, 6, 8, 8), torch.randn(1, 6, 4, 4)
    weights = upsampler.kernels(guide, feature)  # (1, 8, 8, 25)
    one = upsampler(guide, feature, torch.ones(1, 1, 4, 4))
    torch.testing.assert_close(one, torch.ones_like(one))
    position = torch.zeros(1, 1, 4, 4)
    position[0, 0, 1, 2] = 1  # pixel (3, 4) has its centre there
    torch.testing.assert_close(upsampler(guide, feature, position)[0, 0, 3, 4], weights[0, 3, 4, 12])


def test_gaussian_is_what_the_start_leaves_without_similarity():
    module = build_upsampler("sapa-b", 6, 6, border="mask", start="bilinear")
    torch.nn.init.zeros_(module.key.weight)
    guide, feature = torch.randn(1, 6, 9, 8), torch.randn(1, 6, 5, 4)
    gaussian = build_upsampler("gaussian", 6, 6, border="mask")
    torch.testing.assert_close(gaussian(guide, feature), module(guide, feature))
    torch.testing.assert_close(gaussian.kernels(guide, feature), module.kernels(guide, feature))


def test_number_of_parameters_grows_by_one_which_learns():
    module = SAPA(6, 6, border="mask", start="bilinear")
    more = sum(p.numel() for p in module.parameters()) - sum(p.numel() for p in SAPA(6, 6).parameters())
    assert more == 1 and module.prior.falloff.item() == pytest.approx(BILINEAR_FALLOFF)
    (module(torch.randn(1, 6, 8, 8), torch.randn(1, 6, 4, 4)) ** 2).sum().backward()
    assert module.prior.falloff.grad.abs().item() > 0


def test_start_that_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match="needs normalization='softmax'"):
        SAPA(6, 6, normalization="relu", start="bilinear")
    with pytest.raises(ValueError, match="projections that start small"):
        SAPA(6, 6, "inner", start="bilinear")
    with pytest.raises(ValueError, match="start must be one of average, bilinear"):
        SAPA(6, 6, start="nearest")


def test_exported_graph_computes_the_same():
    module = SAPA(6, 6, border="mask", start="bilinear").eval()
    guide, feature = torch.randn(1, 6, 9, 8), torch.randn(1, 6, 5, 4)
    exported = torch.export.export(module, (guide, feature)).module()
    torch.testing.assert_close(exported(guide, feature), module(guide, feature))


def test_logits_by_place_are_row_major():
    rows, columns = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[10.0, 20.0, 30.0]])
    assert logits_by_place((rows, columns)).tolist() == [[[11, 21, 31, 12, 22, 32, 13, 23, 33]]]
