"""Every upsampler against an independent float64 loop: values, and gradients of inputs and parameters."""

import loops
import pytest
import torch
import torch.nn.functional as F

from sapa_hf import build_upsampler

DOUBLED = [((3, 4), (6, 7)), ((3, 2), (5, 4)), ((1, 2), (2, 3)), ((1, 1), (1, 2))]
ANY_RATIO = [((2, 3), (5, 8)), ((3, 2), (3, 2)), ((3, 4), (7, 5))]
CASES = [
    ("deconv", 3, 4, {}),
    ("pixel_shuffle", 3, 4, {}),
    ("pixel_tcl", 3, 4, {}),
    ("bilinear_additive", 3, 8, {}),
    ("carafe", 3, 5, {}),
    ("carafe", 3, 5, {"kernel_size": 3, "border": "mask"}),
    ("indexnet", 3, 5, {}),
    ("a2u", 6, 5, {}),
    ("a2u", 6, 5, {"border": "mask"}),
    ("a2u", 32, 3, {}),  # one channel a group
    ("fade", 4, 4, {}),
    ("fade", 3, 5, {"kernel_size": 3, "border": "mask"}),
    ("dysample", 3, 8, {}),
    ("sapa-d", 3, 8, {}),
]
LOOPS = {
    "deconv": loops.deconv,
    "pixel_shuffle": loops.pixel_shuffle,
    "pixel_tcl": loops.pixel_tcl,
    "bilinear_additive": loops.bilinear_additive,
    "carafe": loops.carafe,
    "indexnet": loops.indexnet,
    "a2u": loops.a2u,
    "fade": loops.fade,
    "dysample": loops.dysample,
    "sapa-d": loops.sapa_d,
}


def make(name, guide_channels, feature_channels, **options):
    """An upsampler in float64 whose every number matters."""
    upsampler = build_upsampler(name, guide_channels, feature_channels, **options).double().eval()
    for tensor_name, tensor in [*upsampler.named_parameters(), *upsampler.named_buffers()]:
        if tensor_name.endswith("running_var"):
            tensor.uniform_(0.05, 0.5)  # so that hidden values reach the ceiling of ReLU6
        elif tensor.is_floating_point():
            torch.nn.init.normal_(tensor, std=0.5)
    return upsampler


def maps(guide_channels, feature_channels, feature_size, guide_size, batch=2):
    guide = torch.randn(batch, guide_channels, *guide_size, dtype=torch.float64, requires_grad=True)
    feature = torch.randn(batch, feature_channels, *feature_size, dtype=torch.float64, requires_grad=True)
    return guide, feature


def assert_equal_with_gradients(ours, theirs, leaves):
    """Compare two outputs, and how both change with every leaf."""
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    towards = torch.randn_like(ours)
    gradients = [
        torch.autograd.grad(output, leaves, towards, allow_unused=True, materialize_grads=True)
        for output in (ours, theirs)
    ]
    for our, their in zip(*gradients, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-9, atol=1e-9)


def compare(upsampler, loop, guide, feature):
    tensors = dict(upsampler.named_parameters()) | dict(upsampler.named_buffers())
    theirs = torch.stack([loop(tensors, *image) for image in zip(guide, feature, strict=True)])
    leaves = (guide, feature, *upsampler.parameters())
    assert_equal_with_gradients(upsampler(guide, feature), theirs, leaves)


@pytest.mark.parametrize(("feature_size", "guide_size"), DOUBLED)
@pytest.mark.parametrize(("name", "guide_channels", "feature_channels", "options"), CASES)
def test_agrees_with_its_loop(name, guide_channels, feature_channels, options, feature_size, guide_size):
    upsampler = make(name, guide_channels, feature_channels, **options)
    extra = {key: value for key, value in options.items() if key == "border"}
    compare(
        upsampler,
        lambda *arguments: LOOPS[name](*arguments, **extra),
        *maps(guide_channels, feature_channels, feature_size, guide_size),
    )


@pytest.mark.parametrize(("feature_size", "guide_size"), ANY_RATIO)
@pytest.mark.parametrize("feature_channels", [4, 5])
def test_fade_agrees_with_its_loop_at_any_ratio(feature_channels, feature_size, guide_size):
    compare(
        make("fade", 4, feature_channels), loops.fade, *maps(4, feature_channels, feature_size, guide_size)
    )


@pytest.mark.parametrize(("feature_size", "guide_size"), DOUBLED[:3])
def test_indexnet_in_training_normalises_with_the_statistics_of_its_batch(feature_size, guide_size):
    upsampler = make("indexnet", 3, 5).train()
    loop = lambda *arguments: loops.indexnet(*arguments, training=True)  # noqa: E731
    compare(upsampler, loop, *maps(3, 5, feature_size, guide_size, batch=1))


@pytest.mark.parametrize(("feature_size", "guide_size"), DOUBLED)
def test_max_unpooling_agrees_with_its_loop(feature_size, guide_size):
    guide, feature = maps(3, 4, feature_size, guide_size)
    encoder = torch.randn(2, 4, *guide_size, dtype=torch.float64)
    _, indices = F.max_pool2d(encoder, 2, ceil_mode=True, return_indices=True)
    ours = build_upsampler("max_unpool", 3, 4)(guide, feature, indices)
    theirs = torch.stack([loops.max_unpool(*image) for image in zip(guide, feature, indices, strict=True)])
    assert_equal_with_gradients(ours, theirs, (guide, feature))


def test_max_unpooling_puts_pooled_values_back_where_they_were():
    encoder = torch.rand(2, 4, 7, 6) + 1
    pooled, indices = F.max_pool2d(encoder, 2, ceil_mode=True, return_indices=True)
    output = build_upsampler("max_unpool", 4, 4)(encoder, pooled, indices)
    assert torch.equal(output[output > 0], encoder[output > 0])
    assert torch.equal(F.max_pool2d(output, 2, ceil_mode=True), pooled)
    assert (output > 0).sum() == pooled.numel()


def test_dysample_without_offsets_is_bilinear():
    upsampler = build_upsampler("dysample", 3, 8).double()
    torch.nn.init.zeros_(upsampler.offset.weight)
    guide, feature = maps(3, 8, (4, 5), (8, 10))
    expected = F.interpolate(feature, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(upsampler(guide, feature), expected, rtol=1e-12, atol=1e-12)


def test_indexnet_in_training_moves_its_averages_and_lets_images_meet():
    upsampler = make("indexnet", 3, 5).train()
    guide, feature = maps(3, 5, (4, 3), (8, 6))
    before = upsampler.normalization.running_mean.clone()
    together = upsampler(guide, feature)[0]
    context = upsampler.context(guide).mean((0, 2, 3))
    torch.testing.assert_close(upsampler.normalization.running_mean, 0.9 * before + 0.1 * context)
    assert not torch.allclose(upsampler(guide[:1], feature[:1])[0], together)
