"""The paper's Figure 2: what is caught of a model, its colours, its kernels, and the picture."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from tiny_segmentation import tiny_model
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from sapa_hf import (
    SapaBtsConfig,
    SapaBtsForDepthEstimation,
    SapaGlpnConfig,
    SapaGlpnForDepthEstimation,
    SapaSegformerConfig,
    SapaSegformerForSemanticSegmentation,
)
from sapa_hf.scripts import visualize
from sapa_hf.visualization import (
    UpsamplingStep,
    compare_upsampling,
    default_points,
    draw_upsampling,
    kernel_at,
    upsampling_step,
)
from sapa_hf.visualization.cells import HEAT, kernel_cell
from sapa_hf.visualization.feature_colours import paint_steps
from sapa_hf.visualization.figure import photo_rows
from sapa_hf.visualization.grid import Cell, Head, Row, set_grid
from sapa_hf.visualization.kernel_map import KernelMap

SHAPE = {
    "hidden_sizes": [8, 8, 16, 16],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 2, 2],
    "sr_ratios": [4, 2, 1, 1],
    "mlp_ratios": [2, 2, 2, 2],
    "decoder_hidden_size": 8,
    "upsampler_embedding_dim": 8,
    "initializer_range": 0.3,
}
BTS = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "decoder_hidden_size": 32}


def segformer(upsampler="sapa-g", **fields):
    torch.manual_seed(0)
    model = SapaSegformerForSemanticSegmentation(
        SapaSegformerConfig(upsampler=upsampler, num_labels=4, **SHAPE, **fields)
    ).eval()
    for parameter in model.decode_head.upsamplers.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))  # so that kernels are not all alike
    return model


def draw_photo(height=96, width=128):
    """A bright square on noise."""
    photo = np.random.default_rng(0).integers(0, 60, (height, width, 3), dtype=np.uint8)
    photo[height // 4 : height // 2, width // 4 : width // 2] = 240
    return photo


PIXELS = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("upsampler", ["sapa-g", "carafe", "a2u", "indexnet", "fade", "dysample", "nearest"])
def test_the_step_is_what_the_last_upsampler_of_the_first_chain_did(upsampler):
    model, inputs = segformer(upsampler), []
    last = model.decode_head.upsamplers[2]
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


def test_bilinear_is_the_heads_own_resizing_of_the_coarsest_projection():
    model = segformer("bilinear")
    with torch.no_grad():
        stages = model(PIXELS, output_hidden_states=True).hidden_states
        projected = model.decode_head.linear_c[3](stages[3])
        resized = F.interpolate(projected, (16, 24), mode="bilinear", align_corners=False)
    step = upsampling_step(model, PIXELS)
    assert torch.equal(step.feature, projected[0]) and torch.equal(step.output, resized[0])
    assert (step.source, step.level, step.kernels) == (32, 4, None)


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
    model.decode_head.linear_c[3].proj.bias.data.fill_(torch.nan)
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


@pytest.mark.parametrize("channels", ["rgb", -1, (1, 2), True, 1.5])
def test_channels_that_are_none_are_refused(channels):
    with pytest.raises(ValueError, match="'pca', 'mean', a number"):
        draw_upsampling(segformer(), draw_photo(), channels=channels)


def test_a_channel_beyond_the_feature_is_refused():
    with pytest.raises(ValueError, match="no channel 8: the feature has 8"):
        draw_upsampling(segformer(), draw_photo(), channels=8, short_side=64)


def test_points_are_chosen_on_edges_and_in_a_region():
    photo = np.full((120, 160, 3), 30, np.uint8)
    photo[:, 70:] = 220
    photo[:, 71::4] = 214  # texture, which is no edge
    *edges, inside = default_points(photo)
    assert len(edges) == 2 and all(x in range(68, 73) for x, _ in edges)
    assert inside[0] < 60  # the left half is even
    assert len({*edges, inside}) == 3
    for size in ((1, 1), (2, 50), (64, 1)):
        assert default_points(np.zeros((*size, 3), np.uint8))


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [
        ([(128, 5)], ValueError, r"128,5 lies outside photo 0: x must be 0 to 127, y 0 to 95"),
        ([(5, -1)], ValueError, "5,-1 lies outside"),
        ([(1, 2, 3)], ValueError, "pair"),
        ([(1.5, 2)], TypeError, "whole pixels"),
        ([], ValueError, "1 to 26 points"),
    ],
)
def test_points_off_the_photo_are_named(points, error, message):
    with pytest.raises(error, match=message):
        draw_upsampling(segformer(), draw_photo(), points)


def test_every_model_photo_and_point_has_its_cell():
    models = [segformer("bilinear"), segformer("sapa-b"), segformer("indexnet")]
    photos, points = [draw_photo(), draw_photo(120, 80)], [(10, 10), (40, 60)]
    comparison = compare_upsampling(models, photos, points, short_side=64)
    assert comparison.captions == ("bilinear", "sapa-b", "indexnet") and comparison.scores == ("",) * 3
    for views, photo in zip(comparison.photos, photos, strict=True):
        np.testing.assert_array_equal(views.photo, photo)
        assert views.points == tuple(points)
        rows = photo_rows(views, "pca")
        labels = ["decoder feature", "upsampled feature", "kernels at A", "kernels at B"]
        assert [row.label for row in rows] == labels
        assert all(len(row.cells) == 1 + len(models) for row in rows)
        notes = [cell.note for cell in rows[0].cells]
        assert notes[0] == "photo" and notes[1].startswith("1/32, ") and notes[2].startswith("1/8, ")
        for number, row in enumerate(rows[2:]):
            assert row.cells[0].note == "x {}, y {}".format(*points[number])
            assert row.cells[1].note == ""
            largest = views.views[1].kernels[number].weights.max()
            assert row.cells[2].note == f"5 x 5, largest {largest:.2f}"
            assert row.cells[3].note.startswith("1 x 1, weight ")


def test_the_kernels_shown_are_those_of_the_operator_at_the_point():
    model, photo = segformer("sapa-g"), draw_photo()
    (views,) = compare_upsampling(model, photo, [(77, 31)], short_side=96).photos
    inputs = []
    last = model.decode_head.upsamplers[2]
    handle = last.register_forward_hook(lambda module, arguments, output: inputs.append(arguments[:2]))
    with torch.no_grad():
        mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
        model((torch.from_numpy(photo).permute(2, 0, 1)[None] / 255 - mean) / std)
        expected = last.kernels(*inputs[0])[0, 31 // 4, 77 // 4]  # the photo has the model's own size
    handle.remove()
    weights = views.views[0].kernels[0].weights
    np.testing.assert_allclose(weights.flatten(), expected, rtol=1e-3, atol=1e-5)
    assert weights.std() > 1e-3  # an even kernel would show nothing


def test_a_heat_map_lies_where_its_window_is():
    weights = np.zeros((3, 3), np.float32)
    weights[0, 2] = 0.5
    kernel = KernelMap(weights, (20.0, 20.0, 50.0, 50.0), (34.0, 34.0, 36.0, 36.0))
    drawn = np.asarray(kernel_cell(np.zeros((90, 90, 3), np.uint8), (10, 10, 60, 60), kernel, (9, 9, 9), 200))
    assert (drawn[60, 140] == HEAT[255]).all()  # the right one of the upper row
    assert (drawn[60, 60] == HEAT[0]).all() and (drawn[140, 140] == HEAT[0]).all()
    assert (drawn[20, 100] == round(0.7 * 255)).all()  # around it the photo, faded


def test_no_cell_covers_another():
    colours = [(10 * n + 5, 200, 90) for n in range(6)]
    cells = [Cell(Image.new("RGB", (30 + 5 * n, 160), colour)) for n, colour in enumerate(colours)]
    heads = [Head("", ""), Head("a caption much wider than its cells", "mIoU 12.3"), Head("b", "")]
    drawn = set_grid(heads, [Row("a long label", cells[:3]), Row("next", cells[3:])])
    pixels = np.asarray(drawn)
    for cell, colour in zip(cells, colours, strict=True):
        assert (pixels == colour).all(-1).sum() == cell.picture.width * cell.picture.height


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run as training leaves it: its best model, and the results of that."""
    folder = tmp_path_factory.mktemp("run")
    segformer("sapa-b").save_pretrained(folder / "best")
    results = {
        "task": "semantic-segmentation",
        "dataset": {"name": "scenes", "path": None, "split": "test", "revision": None, "images": 2},
        "metrics": {"mean_iou": 0.4321},
        "per_class": [],
        "model": {"architecture": "x", "upsampler": "sapa-b", "upsampler_options": {}, "parameters": 1},
        "training": {"steps": 20, "best_step": 10},
        "commit": None,
        "versions": {
            "python": "3",
            "torch": "2",
            "transformers": "5",
            "datasets": None,
            "accelerate": None,
            "sapa_hf": None,
        },
        "hardware": "none",
        "date": "2026-01-01",
    }
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_folders_are_scored_by_the_results_that_measured_them(run_folder, tmp_path):
    segformer("sapa-b").save_pretrained(run_folder / "last")
    models = [run_folder, run_folder / "best", str(run_folder / "last"), segformer()]
    comparison = compare_upsampling(models, draw_photo(), short_side=64)
    assert comparison.captions == ("sapa-b",) * 3 + ("sapa-g",)
    assert comparison.scores == ("mIoU 43.2", "mIoU 43.2", "", "")  # the last step was not the best


def test_a_notebook_gets_a_picture(run_folder, tmp_path):
    draw_photo_file = tmp_path / "photo.png"
    Image.fromarray(draw_photo()).save(draw_photo_file)
    one = draw_upsampling(run_folder, draw_photo_file, short_side=64)
    assert isinstance(one, Image.Image) and one.mode == "RGB" and one.width > 480
    with Image.open(draw_photo_file) as photo:
        models = [run_folder, segformer("dysample")]
        two = draw_upsampling(models, photo, captions=["ours", "theirs"], channels="mean", short_side=64)
    assert two.width > one.width and two.height == one.height
    with pytest.raises(ValueError, match="2 models need as many captions, got 1"):
        draw_upsampling(models, draw_photo(), captions=["ours"])
    with pytest.raises(ValueError, match="at least one model"):
        draw_upsampling([], draw_photo())
    with pytest.raises(TypeError, match="Linear"):
        draw_upsampling(torch.nn.Linear(1, 1), draw_photo())


def test_the_command_line_writes_one_png(run_folder, tmp_path):
    for name in ("a", "b"):
        Image.fromarray(draw_photo()).save(tmp_path / f"{name}.png")
    output = tmp_path / "new" / "figure.png"
    command = [sys.executable, visualize.__file__, "--models", run_folder, run_folder / "best"]
    command += ["--images", tmp_path / "a.png", tmp_path / "b.png", "--output", output]
    command += ["--points", "5,6", "70,40", "--channels", "0,1,2", "--level", "8", "--device", "cpu"]
    command += ["--short_side", "64"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    with Image.open(output) as figure:
        figure.load()
        assert figure.format == "PNG" and f"{figure.width} x {figure.height}" in done.stdout
    assert [file.name for file in output.parent.iterdir()] == ["figure.png"]


def test_the_command_line_names_what_is_wrong(run_folder, tmp_path):
    photo, broken = tmp_path / "a.png", tmp_path / "broken.png"
    Image.fromarray(draw_photo()).save(photo)
    broken.write_bytes(photo.read_bytes()[:200])
    (tmp_path / "empty").mkdir()
    cases = [
        ([tmp_path / "empty"], [photo], [], "empty is no model folder"),
        ([tmp_path / "nowhere"], [photo], [], "nowhere is no model folder"),
        ([run_folder], [broken], [], "broken.png: not a readable image"),
        ([run_folder], [tmp_path / "none.png"], [], "none.png does not exist"),
        ([run_folder], [photo], ["--points", "500,3"], r"500,3 lies outside .*a.png"),
        ([run_folder], [photo], ["--level", "2"], "no step to 1/2"),
        ([run_folder], [photo], ["--output", str(photo)], "one of the images"),
    ]
    for models, images, options, message in cases:
        arguments = ["--output", str(tmp_path / "out.png"), "--models", *map(str, models)]
        with pytest.raises(SystemExit, match=message):
            visualize.main([*arguments, "--images", *map(str, images), "--device", "cpu", *options])
    assert not (tmp_path / "out.png").exists()
    with pytest.raises(SystemExit) as stopped:
        visualize.parse_arguments(["--models", "a", "--images", "b", "--points", "3"])
    assert stopped.value.code == 2


def test_the_script_is_thin():
    assert len(Path(visualize.__file__).read_text().splitlines()) < 90
