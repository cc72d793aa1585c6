"""The paper's Figure 2 as a picture, from Python and from the command line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from interpreter import run_python
from PIL import Image
from tiny_upsampling import draw_photo, segformer

from sapa_hf.data import get_spec
from sapa_hf.evaluation import write_results
from sapa_hf.paper.visualization import compare_upsampling, default_points, draw_upsampling, make_subjects
from sapa_hf.paper.visualization.cells import HEAT, kernel_cell
from sapa_hf.paper.visualization.figure import photo_rows
from sapa_hf.paper.visualization.grid import Cell, Head, Row, set_grid
from sapa_hf.paper.visualization.kernel_map import KernelMap
from sapa_hf.scripts import visualize


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
    comparison = compare_upsampling(make_subjects(models, short_side=64), photos, points)
    assert comparison.captions == ("bilinear", "sapa-b", "indexnet") and comparison.scores == ("",) * 3
    for views, photo in zip(comparison.photos, photos, strict=True):
        np.testing.assert_array_equal(views.photo, photo)
        assert views.points == tuple(points)
        rows = photo_rows(views, "pca")
        labels = ["decoder feature", "upsampled feature", "kernels at A", "kernels at B"]
        assert [row.label for row in rows] == labels
        assert all(len(row.cells) == 1 + len(models) for row in rows)
        notes = [cell.note for cell in rows[0].cells]
        assert notes[0] == "photo" and all(note.startswith("1/8, ") for note in notes[1:])
        for number, row in enumerate(rows[2:]):
            assert row.cells[0].note == "x {}, y {}".format(*points[number])
            assert row.cells[1].note == ""
            largest = views.views[1].kernels[number].weights.max()
            assert row.cells[2].note == f"5 x 5, largest {largest:.2f}"
            assert row.cells[3].note.startswith("1 x 1, weight ")


def test_the_kernels_shown_are_those_of_the_operator_at_the_point():
    model, photo = segformer("sapa-g"), draw_photo()
    (views,) = compare_upsampling(make_subjects(model, short_side=96), photo, [(77, 31)]).photos
    inputs = []
    last = model.decode_head.upsamplers[5]
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
    extra = {"split": "test", "training": {"steps": 20, "best_step": 10}}
    metrics = {"mean_iou": 0.4321, "images": 2}
    write_results(folder / "results.json", metrics, segformer("sapa-b"), get_spec("scenes"), extra)
    return folder


def test_folders_are_scored_by_the_results_that_measured_them(run_folder, tmp_path):
    last = segformer("sapa-b")
    torch.nn.init.ones_(last.decode_head.classifier.bias)
    last.save_pretrained(run_folder / "last")
    models = [run_folder, run_folder / "best", str(run_folder / "last"), segformer()]
    comparison = compare_upsampling(make_subjects(models, short_side=64), draw_photo())
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


@pytest.mark.slow
def test_the_command_line_writes_one_png(run_folder, tmp_path):
    for name in ("a", "b"):
        Image.fromarray(draw_photo()).save(tmp_path / f"{name}.png")
    output = tmp_path / "new" / "figure.png"
    command = [visualize.__file__, "--models", run_folder, run_folder / "best"]
    command += ["--images", tmp_path / "a.png", tmp_path / "b.png", "--output", output]
    command += ["--points", "5,6", "70,40", "--channels", "0,1,2", "--level", "8", "--device", "cpu"]
    command += ["--short_side", "64"]
    done = run_python(*command)
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
        ([tmp_path / "empty"], [photo], [], "empty is not a model folder"),
        ([tmp_path / "nowhere"], [photo], [], "nowhere is not a model folder"),
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
