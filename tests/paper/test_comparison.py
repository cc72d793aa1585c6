"""The picture that compares class maps, and the script that draws it for a data set."""

import numpy as np
import pytest
from PIL import Image
from published import save_model, tiny_model

from sapa_hf import SapaGlpnConfig, SapaGlpnForDepthEstimation
from sapa_hf.paper.comparison import busiest, compare, fullest, most_bordered
from sapa_hf.scripts import compare as compare_script


def test_the_picture_looks_closest_where_classes_meet():
    labels = np.zeros((40, 60), np.uint8)
    labels[20:28:2, 30:40] = 1
    left, top, right, bottom = most_bordered(labels, 12)
    assert right - left == bottom - top == 12
    assert left <= 30 and right >= 40 and top <= 20 and bottom >= 27
    assert busiest([np.zeros((40, 60), np.uint8), labels]) == [1]
    assert fullest([labels, labels * 0 + 1, labels * 2], [1], 2) == [1, 0]
    image = np.zeros((40, 60, 3), np.uint8)
    picture = compare(image, labels, {"bilinear": labels, "SAPA-G": labels * 0}, {0: "wall", 1: "floor"})
    assert picture.mode == "RGB" and picture.height > 2 * 384


@pytest.mark.slow
def test_the_script_draws_the_photos_with_the_most_borders(tmp_path, capsys):
    models = []
    for upsampler in ("bilinear", "sapa-g"):
        save_model(tmp_path / upsampler, tiny_model(upsampler))
        models.append(f"{upsampler}={tmp_path / upsampler}")
    options = ["--dataset", "scenes", "--output", str(tmp_path / "drawn" / "rooms.png")]
    compare_script.main(["--models", *models, *options])
    picture = Image.open(tmp_path / "drawn" / "rooms.png")
    assert picture.width > 4 * 384 and picture.height > 4 * 384  # photo, labels, two models; two rooms, twice
    busy = capsys.readouterr().out
    assert len(set(busy.split(": ")[1].split(", "))) == 2
    compare_script.main(["--models", *models, *options, "--classes", "pole", "ball"])
    assert capsys.readouterr().out != busy
    with pytest.raises(SystemExit):
        compare_script.main(["--models", *models, *options, "--classes", "bowl"])
    assert "--classes must be among" in capsys.readouterr().err


def test_the_script_refuses_a_model_of_another_task(tmp_path, capsys):
    tiny = {
        "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 1, 1, 1],
        "decoder_hidden_size": 8,
        "num_attention_heads": [1, 2, 3, 4],
    }
    SapaGlpnForDepthEstimation(SapaGlpnConfig("sapa-i", **tiny)).save_pretrained(tmp_path / "depth")
    with pytest.raises(SystemExit):
        compare_script.main(
            ["--models", f"depth={tmp_path / 'depth'}", "--dataset", "scenes", "--output", "rooms.png"]
        )
    assert "must be a segmentation model" in capsys.readouterr().err
