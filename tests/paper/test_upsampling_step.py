"""What is caught of a model for the paper's Figure 2: the step, its kernels, its colours."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_segmentation import tiny_model
from tiny_upsampling import SHAPE, segformer
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from sapa_hf import (
    SapaBtsConfig,
    SapaBtsForDepthEstimation,
    SapaGlpnConfig,
    SapaGlpnForDepthEstimation,
)
from sapa_hf.paper.visualization import UpsamplingStep, kernel_at, upsampling_step, upsampling_steps
from sapa_hf.paper.visualization.feature_colours import paint_steps

BTS = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "decoder_hidden_size": 32}
PIXELS = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("upsampler", ["sapa-g", "carafe", "a2u", "indexnet", "fade", "dysample", "nearest"])
def test_the_step_is_what_the_last_upsampler_did(upsampler):
    model, inputs = segformer(upsampler), []
    last = model.decode_head.upsamplers[5]
    handle = last.register_forward_hook(lambda module, arguments, output: inputs.append(arguments[:2]))
    with torch.no_grad():
        model(PIXELS)
        handle.remove()
        step = upsampling_step(model, PIXELS)
        assert torch.equal(step.feature, inputs[0][1][0])
        assert torch.equal(step.output, last(*inputs[0])[0])
        assert (step.source, step.level) == (8, 4) and step.output.shape == (8, 16, 24)
        if upsampler in ("dysample", "nearest"):
            assert step.kernels is None
        else:
            assert torch.equal(step.kernels.flatten(2), last.kernels(*inputs[0])[0])


def test_bilinear_is_the_heads_own_resizing_of_the_same_stage():
    model = segformer("bilinear")
    with torch.no_grad():
        stages = model(PIXELS, output_hidden_states=True).hidden_states
        projected = model.decode_head.linear_c[1](stages[1])
        resized = F.interpolate(projected, (16, 24), mode="bilinear", align_corners=False)
    step = upsampling_step(model, PIXELS)
    assert torch.equal(step.feature, projected[0]) and torch.equal(step.output, resized[0])
    assert (step.source, step.level, step.kernels) == (8, 4, None)


def test_all_steps_of_one_run_are_those_seen_one_by_one():
    model = segformer("sapa-b")
    steps = upsampling_steps(model, PIXELS)
    assert list(steps) == [16, 8, 4]
    for level, step in steps.items():
        alone = upsampling_step(model, PIXELS, level)
        assert torch.equal(step.output, alone.output) and torch.equal(step.kernels, alone.kernels)
    assert list(upsampling_steps(segformer("bilinear"), PIXELS)) == [4]


def test_depth_models_are_seen_at_every_level_that_they_have():
    glpn = SapaGlpnForDepthEstimation(SapaGlpnConfig(upsampler="sapa-b", **SHAPE))
    bts = SapaBtsForDepthEstimation(SapaBtsConfig(upsampler="carafe", **BTS))
    for model, levels in ((glpn, (16, 8, 4)), (bts, (16, 8, 4, 2))):
        for level in levels:
            step = upsampling_step(model, PIXELS, level)
            assert step.output.shape[1:] == (64 // level, 96 // level)
            assert step.source == 2 * level and step.kernels.shape[:2] == step.output.shape[1:]
    with pytest.raises(ValueError, match=r"SapaGlpn.*no step to 1/2 of the image.* 4, 8, 16"):
        upsampling_step(glpn, PIXELS, 2)


def test_a_model_loaded_as_remote_code_is_seen_too(tmp_path):
    model = segformer("sapa-b")
    model.save_pretrained(tmp_path)
    name = "modeling_sapa_segformer.SapaSegformerForSemanticSegmentation"
    remote = get_class_from_dynamic_module(name, str(tmp_path)).from_pretrained(tmp_path)
    assert type(remote).__module__.startswith("transformers_modules")
    ours, theirs = upsampling_step(model, PIXELS), upsampling_step(remote, PIXELS)
    torch.testing.assert_close(ours.kernels, theirs.kernels)


def test_looking_leaves_the_model_as_it_was():
    for upsampler in ("sapa-g", "bilinear", "indexnet"):
        model = segformer(upsampler).train()
        model.decode_head.batch_norm.eval()
        modes = [module.training for module in model.modules()]
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        random = torch.random.get_rng_state()
        upsampling_step(model, PIXELS)
        with pytest.raises(RuntimeError):
            upsampling_step(model, PIXELS[:, :2])  # the model itself fails in its midst
        assert modes == [module.training for module in model.modules()]
        assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
        assert not any(module._forward_hooks for module in model.modules())
        assert torch.equal(random, torch.random.get_rng_state())


def test_a_model_without_upsamplers_or_with_broken_weights_is_refused():
    with pytest.raises(ValueError, match="SegformerForSemanticSegmentation has no upsampler"):
        upsampling_step(tiny_model(), PIXELS)
    model = segformer()
    model.decode_head.linear_c[1].proj.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="not finite"):
        upsampling_step(model, PIXELS)


@pytest.mark.parametrize("upsampler", ["sapa-g", "carafe", "a2u"])
def test_the_kernel_at_a_point_assembles_its_window_to_the_pixel_there(upsampler):
    step, photo_size = upsampling_step(segformer(upsampler), PIXELS), (192, 480)
    x, y = 250, 85
    kernel = kernel_at(step, (x, y), photo_size)
    left, top, right, bottom = kernel.pixel
    assert left <= x + 0.5 <= right and top <= y + 0.5 <= bottom
    row, column = round(top / 192 * 16), round(left / 480 * 24)
    scale = np.array([12 / 480, 8 / 192] * 2)  # feature positions a photo pixel
    first_column, first_row, end_column, end_row = (np.array(kernel.window) * scale).round().astype(int)
    window = step.feature[:, first_row:end_row, first_column:end_column].numpy()
    assert window.shape[1:] == kernel.weights.shape
    assembled = (window * kernel.weights).sum((1, 2))
    np.testing.assert_allclose(assembled, step.output[:, row, column], rtol=1e-4, atol=1e-5)


def test_a_window_may_reach_out_of_the_photo():
    step = upsampling_step(segformer(), PIXELS)
    left, top, right, bottom = kernel_at(step, (0, 191), (192, 480)).window
    assert left == -2 * 40 and right == 3 * 40 and bottom == 192 + 2 * 24 and top == 192 - 3 * 24


def test_a_shifted_window_stays_inside_the_photo():
    step = replace(upsampling_step(segformer(), PIXELS), border="shift")
    assert kernel_at(step, (0, 191), (192, 480)).window == (0, 192 - 5 * 24, 5 * 40, 192)


def test_of_several_heads_the_mean_kernel_is_shown():
    model = segformer(upsampler_heads=2)
    last, inputs = model.decode_head.upsamplers[5], []
    handle = last.register_forward_hook(lambda module, arguments, output: inputs.append(arguments[:2]))
    with torch.no_grad():
        model(PIXELS)
        handle.remove()
        kernels = last.kernels(*inputs[0])[0]  # (16, 24, 2, 25)
    assert torch.equal(upsampling_step(model, PIXELS).kernels.flatten(2), kernels.mean(2))


def step_of(feature):
    output = feature.repeat_interleave(2, 1).repeat_interleave(2, 2)
    return UpsamplingStep(feature, output, None, 8, 4)


def test_a_feature_and_its_repetition_have_the_same_colours():
    for channels in ("pca", "mean", 3, (0, 4, 2)):
        ((before, after),) = paint_steps([[step_of(torch.randn(5, 6, 7))]], channels)[0]
        np.testing.assert_array_equal(before.repeat(2, 0).repeat(2, 1), after)
        assert before.dtype == np.uint8 and before.shape == (6, 7, 3) and before.std() > 10


def test_colours_do_not_change_with_the_order_and_sign_of_components():
    rng = np.random.default_rng(0)
    latent = np.linalg.qr(rng.standard_normal((2 * 80, 3)))[0].T  # three uncorrelated maps over two photos
    latent -= latent.mean(1, keepdims=True)
    models = []
    for strengths in ((3, 2, 1), (1.5, 2, -3), (-1, 2.5, -2)):
        mixing = np.linalg.qr(rng.standard_normal((6, 3)))[0] * strengths  # (6, 3)
        features = torch.from_numpy(mixing @ latent).float().unflatten(1, (2, 8, 10))
        models.append([step_of(feature) for feature in features.unbind(1)])
    first, *others = paint_steps(models)
    for other in others:
        for (before, _), (expected, _) in zip(other, first, strict=True):
            # Not quite uncorrelated after centring, so not quite equal.
            assert np.abs(before.astype(int) - expected).mean() < 12


def test_few_positions_and_constant_features_are_painted():
    for feature in (torch.randn(8, 1, 2), torch.ones(8, 3, 3), torch.randn(2, 4, 4)):
        ((before, after),) = paint_steps([[step_of(feature)]])[0]
        assert before.shape[2] == after.shape[2] == 3
