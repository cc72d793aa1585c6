"""What upsamplers refuse: options, channels and indices that do not fit, each saying what to do."""

import pytest
import torch
import torch.nn.functional as F

from sapa_hf import SAPA, SapaBtsConfig, SapaGlpnConfig, SapaSegformerConfig, build_upsampler
from sapa_hf.modeling import A2U, CARAFE, FADE, UPSAMPLERS


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": "sapa-x"}, ValueError, "sapa-g.*got 'sapa-x'"),
        ({"name": 3}, TypeError, "must be a string"),
        ({"kernel_size": 4}, ValueError, "odd.*got 4; try 5"),
        ({"kernel_size": 5.0}, TypeError, "odd integer"),
        ({"embedding_dim": 0}, ValueError, "at least 1"),
        ({"embedding_dim": True}, TypeError, "positive integer"),
        ({"normalization": "exp"}, ValueError, "softmax, relu"),
        ({"border": "reflect"}, ValueError, "zero, mask, shift"),
        ({"heads": 0}, ValueError, "at least 1"),
        ({"heads": 2.0}, TypeError, "positive integer"),
        ({"kernel": 5}, TypeError, "must be among kernel_size.*heads; got kernel"),
    ],
)
@pytest.mark.parametrize("name", ["sapa-g", "dysample"])  # with these options of its own, and without
def test_wrong_options_are_refused_saying_what_there_is(name, options, error, message):
    with pytest.raises(error, match=message):
        build_upsampler(**{"name": name, "guide_channels": 4, "feature_channels": 4, **options})


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_foreign_options_are_ignored(name):
    options = {"kernel_size": 7, "embedding_dim": 8, "normalization": "softmax", "border": "mask", "heads": 2}
    upsampler = build_upsampler(name, 8, 8, start="bilinear", **options)
    own = {option: getattr(upsampler, option) for option in options if hasattr(upsampler, option)}
    taken = {
        "carafe": {"kernel_size": 7, "border": "mask"},
        "gaussian": {"kernel_size": 7, "border": "mask"},
        "fade": {"kernel_size": 7, "border": "mask"},
        "a2u": {"kernel_size": 3, "border": "mask"},  # its window is as published
        "sapa-i": {key: value for key, value in options.items() if key != "embedding_dim"},
    } | dict.fromkeys(("sapa-b", "sapa-g", "sapa-p"), options)
    starts = isinstance(upsampler, SAPA) and upsampler.prior is not None
    listed = set(UPSAMPLERS[name].options)
    assert listed - {"start"} == {option for option in taken.get(name, {}) if own[option] != 3}
    assert {key: own[key] for key in taken.get(name, {})} == taken.get(name, {})
    assert starts == ("start" in listed)


@pytest.mark.parametrize("module", [SAPA, CARAFE, A2U, FADE])
def test_unknown_borders_are_refused_by_the_modules_too(module):
    with pytest.raises(ValueError, match="border must be one of zero, mask, shift; got 'zeros'"):
        module(4, 4, border="zeros")


@pytest.mark.parametrize("module", [SAPA, CARAFE, FADE])
def test_even_windows_are_refused_by_the_modules_too(module):
    with pytest.raises(ValueError, match="odd.*got 4; try 5"):
        module(4, 4, kernel_size=4)


@pytest.mark.parametrize("name", ["dysample", "sapa-d"])
def test_channels_that_make_no_four_groups_are_refused_with_the_next_count_that_does(name):
    with pytest.raises(ValueError, match="multiple of 4.*got 10.*12 channels"):
        build_upsampler(name, 8, 10)
    build_upsampler(name, 10, 8)  # the guide's channels are not split


def test_unequal_channels_of_inner_similarity_are_refused_with_both_counts():
    with pytest.raises(ValueError, match="guide has 6 and the feature 9"):
        build_upsampler("sapa-i", 6, 9)


def test_exchanged_guide_and_feature_are_refused_by_channels():
    with pytest.raises(ValueError, match=r"guide must be \(B, 6, H, W\).*comes first"):
        build_upsampler("sapa-b", 6, 9)(torch.randn(1, 9, 4, 4), torch.randn(1, 6, 8, 8))


@pytest.mark.parametrize("name", [name for name in UPSAMPLERS if name != "max_unpool"])
def test_another_number_of_channels_is_refused_naming_the_shape(name):
    upsampler = build_upsampler(name, 8, 8)
    with pytest.raises(ValueError, match=r"feature must be \(B, 8, H, W\).*\(1, 4, 2, 3\)"):
        upsampler(torch.randn(1, 8, 4, 6), torch.randn(1, 4, 2, 3))
    with pytest.raises(ValueError, match="batches of 2 and 1 images"):
        upsampler(torch.randn(2, 8, 4, 6), torch.randn(1, 8, 2, 3))


WITHOUT_KERNELS = ["nearest", "bilinear", "deconv", "pixel_shuffle", "pixel_tcl", "bilinear_additive"]


@pytest.mark.parametrize("name", [*WITHOUT_KERNELS, "dysample", "sapa-d"])
def test_upsamplers_without_kernels_say_so_and_which_have_them(name):
    upsampler = build_upsampler(name, 8, 8)
    with pytest.raises(TypeError, match=f"{type(upsampler).__name__} .*no kernels to show.*CARAFE"):
        upsampler.kernels(torch.randn(1, 8, 4, 6), torch.randn(1, 8, 2, 3))


def test_gated_fade_takes_no_value_in_the_features_stead():
    guide, feature, value = torch.randn(1, 4, 4, 6), torch.randn(1, 4, 2, 3), torch.randn(1, 7, 2, 3)
    with pytest.raises(TypeError, match="gate adds the guide.*after the upsampling"):
        build_upsampler("fade", 4, 4)(guide, feature, value)


@pytest.fixture
def unpooling():
    """A max unpooling, its maps, and the indices that fit."""
    guide, feature = torch.randn(2, 3, 7, 6), torch.randn(2, 4, 4, 3)
    _, indices = F.max_pool2d(torch.randn(2, 4, 7, 6), 2, ceil_mode=True, return_indices=True)
    return build_upsampler("max_unpool", 3, 4), guide, feature, indices


def test_max_unpooling_without_indices_is_refused(unpooling):
    upsampler, guide, feature, _ = unpooling
    with pytest.raises(TypeError, match="indices"):
        upsampler(guide, feature)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda indices: indices[:1], r"shape \(2, 4, 4, 3\).*\(1, 4, 4, 3\)"),
        (lambda indices: indices[:, :, :, :2], r"shape \(2, 4, 4, 3\).*\(2, 4, 4, 2\)"),
        (lambda indices: indices.int(), "int64.*int32.*return_indices=True"),
        (lambda indices: indices.float(), "int64.*float32"),
        (lambda indices: indices + 42, "0 to 41.*got values.*to 83"),
        (lambda indices: indices - 1, "0 to 41.*from -1"),
    ],
)
def test_indices_that_no_pooling_of_the_guide_gave_are_refused(unpooling, spoil, message):
    upsampler, guide, feature, indices = unpooling
    indices[0, 0, 0, 0], indices[0, 0, -1, -1] = 0, 41
    with pytest.raises(ValueError, match=message):
        upsampler(guide, feature, spoil(indices))


@pytest.mark.parametrize("config", [SapaSegformerConfig, SapaGlpnConfig, SapaBtsConfig])
def test_models_whose_encoder_has_no_pooling_indices_refuse_max_unpooling(config):
    with pytest.raises(ValueError, match=f"max_unpool.*indices.*{config.__name__}.*Choose another"):
        config(upsampler="max_unpool")


@pytest.mark.parametrize("channels", [2, 6, 9])
def test_bilinear_additive_takes_channels_by_fours_alone(channels):
    with pytest.raises(ValueError, match=f"must be a multiple of 4 .* got {channels}"):
        build_upsampler("bilinear_additive", 4, channels)
