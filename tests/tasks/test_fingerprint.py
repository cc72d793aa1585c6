"""The digest of a run's data: what lies in it counts, where it lies does not."""

import json
import shutil

import numpy as np
from PIL import Image

from sapa_hf.data import get_spec, load_split
from sapa_hf.tasks.fingerprint import data_fingerprint


def write_images(folder):
    """An image folder with masks beside the photos."""
    for split in ("train", "test"):
        place = folder / split
        place.mkdir(parents=True)
        lines = []
        for number in range(2):
            Image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(place / f"{number}.png")
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(place / f"{number}_mask.png")
            lines.append({"file_name": f"{number}.png", "annotation_file_name": f"{number}_mask.png"})
        (place / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def fingerprint(folder):
    spec = get_spec("custom", path=str(folder), id2label={0: "a", 1: "b"})
    return data_fingerprint(load_split(spec, "train"), spec)


def test_image_folder_that_moved_is_the_same_data(tmp_path):
    here = write_images(tmp_path / "here")
    there = shutil.copytree(here, tmp_path / "elsewhere" / "there")
    assert fingerprint(here) == fingerprint(there)


def test_another_photo_is_other_data(tmp_path):
    before = fingerprint(write_images(tmp_path / "before"))
    after = write_images(tmp_path / "after")
    Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(after / "train" / "1.png")
    assert fingerprint(after) != before
