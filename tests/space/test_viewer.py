"""What the Space's page shows, without the page and without gradio."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_upsampling import SHAPE, draw_photo, segformer

sys.path.insert(0, str(Path(__file__).parents[2] / "space"))  # as `python space/app.py` has it

from viewer import LONGEST, Viewer, open_photo

from sapa_hf import (
    SapaA2uMattingConfig,
    SapaA2uMattingForImageMatting,
    SapaGlpnConfig,
    SapaGlpnForDepthEstimation,
)
from sapa_hf.data import BadSampleError


def saved(model, folder) -> str:
    model.save_pretrained(folder)
    return str(folder)


def test_predictions_of_two_segmenters_lie_on_sheets_of_one_size(tmp_path):
    names = [saved(segformer(name), tmp_path / name) for name in ("bilinear", "sapa-g")]
    viewer, photo = Viewer(names), draw_photo()
    assert viewer.captions == ("bilinear", "sapa-g")
    left, right = viewer.predictions(photo)
    assert left.size == right.size and left.width > photo.shape[1]  # a legend beside it
    assert left.tobytes() != right.tobytes()
    assert viewer.kernels(photo, (40, 30)).tobytes() != viewer.kernels(photo, (100, 80)).tobytes()
    with pytest.raises(ValueError, match="outside"):
        viewer.kernels(photo, (128, 30))


def test_depth_is_shown_in_colours(tmp_path):
    names = []
    for name in ("nearest", "sapa-b"):
        model = SapaGlpnForDepthEstimation(SapaGlpnConfig(upsampler=name, **SHAPE))
        names.append(saved(model, tmp_path / name))
    left, right = Viewer(names).predictions(draw_photo())
    assert left.mode == right.mode == "RGB" and left.size == right.size


def test_one_model_is_not_enough(tmp_path):
    with pytest.raises(ValueError, match="two models"):
        Viewer([saved(segformer(), tmp_path)])


def test_a_model_that_needs_a_trimap_is_refused(tmp_path):
    matting = saved(SapaA2uMattingForImageMatting(SapaA2uMattingConfig()), tmp_path)
    with pytest.raises(ValueError, match="a photo alone, got .*, which is for image-matting"):
        Viewer([matting, matting])


def test_a_large_photo_is_made_smaller_and_what_is_none_is_refused(tmp_path):
    Image.fromarray(np.zeros((300, 2000, 3), np.uint8)).save(tmp_path / "wide.png")
    assert open_photo(tmp_path / "wide.png").shape == (round(300 * LONGEST / 2000), LONGEST, 3)
    (tmp_path / "text.png").write_text("words")
    with pytest.raises(BadSampleError, match="the photo: not a readable image"):
        open_photo(tmp_path / "text.png")
