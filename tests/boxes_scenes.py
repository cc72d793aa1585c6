"""A tiny detection data set: bright rectangles of two classes on noise, in COCO's form."""

import datasets
import numpy as np
from matting_scenes import encoded

NAMES = '{"0": "tall", "1": "wide"}'


def rectangles(seed, height=48, width=64):
    """A photo (H, W, 3) uint8 and its objects: one or two rectangles, tall ones red, wide ones blue."""
    rng = np.random.default_rng(seed)
    photo = rng.integers(60, 120, (height, width, 3), dtype=np.uint8)
    objects = {"bbox": [], "category": [], "area": [], "iscrowd": []}
    for place in range(int(rng.integers(1, 3))):
        category = int(rng.integers(0, 2))
        h, w = (24, 14) if category == 0 else (14, 24)
        x, y = int(rng.integers(0, 32 - w)) + 32 * place, int(rng.integers(0, height - h))
        photo[y : y + h, x : x + w] = (240, 20, 20) if category == 0 else (20, 20, 240)
        objects["bbox"].append([float(x), float(y), float(w), float(h)])
        objects["category"].append(category)
        objects["area"].append(float(h * w))
        objects["iscrowd"].append(0)
    return photo, objects


def write_boxes(folder, counts=(("train", 8), ("validation", 3))):
    """Write splits with the columns of coco_detection."""
    lists = {"bbox": datasets.List(datasets.Value("float32")), "category": datasets.Value("int64")}
    lists |= {"area": datasets.Value("float32"), "iscrowd": datasets.Value("int64")}
    objects = {name: datasets.List(kind) for name, kind in lists.items()}
    features = datasets.Features(
        {"image_id": datasets.Value("int64"), "image": datasets.Image(), "objects": objects}
    )
    (folder / "data").mkdir(parents=True)
    (folder / "id2label.json").write_text(NAMES)
    for number, (split, count) in enumerate(counts):
        drawn = [rectangles(100 * number + index) for index in range(count)]
        rows = [
            {"image_id": index, "image": encoded(photo), "objects": objects}
            for index, (photo, objects) in enumerate(drawn)
        ]
        dataset = datasets.Dataset.from_list(rows, features=features)
        dataset.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder
