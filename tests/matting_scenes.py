"""A tiny matting data set: soft discs over noise, as parquet, and as folders like the Adobe set's."""

import io
import json

import datasets
import numpy as np
from PIL import Image

SIZE = 48


def disc(seed, size=SIZE):
    """Photo (size, size, 3) and matte (size, size), uint8: a disc whose edge is five pixels soft."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    centre = rng.uniform(size * 0.4, size * 0.6, 2)
    radius = rng.uniform(size * 0.2, size * 0.3)
    alpha = np.clip((radius - np.hypot(y - centre[0], x - centre[1])) / 5 + 0.5, 0, 1)
    front, back = rng.integers(0, 256, 3), rng.integers(0, 256, (size, size, 3))
    photo = alpha[..., None] * front + (1 - alpha[..., None]) * back
    return np.rint(photo).astype(np.uint8), np.rint(255 * alpha).astype(np.uint8)


def trimap_of(alpha):
    return np.where((alpha == 0) | (alpha == 255), alpha, 128).astype(np.uint8)


def encoded(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def write_parquet(folder, counts=(("train", 6), ("test", 2))):
    """Write splits with the columns of alphamatting."""
    kinds = {name: datasets.Image() for name in ("image", "alpha", "trimap_narrow")}
    features = datasets.Features({"id": datasets.Value("string"), **kinds})
    (folder / "data").mkdir(parents=True)
    for split, count in counts:
        rows = []
        for index in range(count):
            photo, alpha = disc(index if split == "train" else 100 + index)
            row = {"image": photo, "alpha": alpha, "trimap_narrow": trimap_of(alpha)}
            rows.append({"id": f"{split}{index}"} | {name: encoded(value) for name, value in row.items()})
        dataset = datasets.Dataset.from_list(rows, features=features)
        dataset.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def write_adobe(root, foregrounds=2, train_backgrounds=100, test_backgrounds=20):
    """Write two training and two test foregrounds, each in one of the sources, and their backgrounds."""
    sources = ("Adobe-licensed images", "Other")
    for folder, split, each in (("Training_set", "training", train_backgrounds), ("Test_set", "test", 20)):
        names, photos = [], []
        for index in range(foregrounds):
            photo, alpha = disc(index)
            place, name = root / folder / sources[index % 2], f"fg{index}.png"
            for kind, picture in (("fg", photo), ("alpha", alpha)):
                (place / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(place / kind / name)
            names.append(name)
            photos += [f"{split}{index}_{number}.jpg" for number in range(each)]
            if split == "test":
                (place / "trimaps").mkdir(exist_ok=True)
                for number in range(each):
                    Image.fromarray(trimap_of(alpha)).save(place / "trimaps" / f"fg{index}_{number}.png")
        (root / folder / f"{split}_fg_names.txt").write_text("\n".join(names) + "\n")
        (root / folder / f"{split}_bg_names.txt").write_text("\n".join(photos) + "\n")
        backgrounds = root / f"{split}_photos"
        backgrounds.mkdir()
        for number, photo in enumerate(photos):
            Image.new("RGB", (40, 30 + number % 3), (number % 256, 99, 7)).save(backgrounds / photo)
    return root


def read_list(file):
    return [json.loads(line) for line in file.read_text().splitlines()]
