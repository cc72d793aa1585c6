"""Compare our mean IoU with the plain way that counts classes image by image: time, and equal results.

The plain way is an own writing of what the evaluate library's metric does: it keeps all maps, and takes three
histograms of floats (agreement, prediction, label) per image. It is timed without that library's writing of
the maps to disk, which comes on top; --official FOLDER times the official module itself as well.
"""

import time
from collections.abc import Callable

import numpy as np

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.metrics import load_metric


def plain_mean_iou(
    predictions: list[np.ndarray], references: list[np.ndarray], num_labels: int, ignore_index: int
) -> float:
    """Compute mean IoU by three histograms for every image."""
    areas = np.zeros((3, num_labels))
    for prediction, reference in zip(predictions, references, strict=True):
        kept = reference != ignore_index
        prediction, reference = prediction[kept], reference[kept]
        for area, values in zip(
            areas, (prediction[prediction == reference], prediction, reference), strict=True
        ):
            area += np.histogram(values, bins=num_labels, range=(0, num_labels - 1))[0]
    with np.errstate(invalid="ignore"):
        return float(np.nanmean(areas[0] / (areas[1] + areas[2] - areas[0])))


def draw_maps(
    count: int, side: int, num_labels: int, dtype: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Draw maps of square regions, a tenth of the pixels mistaken and some ignored."""
    rng = np.random.default_rng(0)
    references = []
    for _ in range(count):
        regions = rng.integers(0, num_labels, (side // 32, side // 32))
        labels = regions.repeat(32, 0).repeat(32, 1)
        labels[:16] = 255
        references.append(labels.astype(dtype))
    wrong = [rng.random(labels.shape) < 0.1 for labels in references]
    predictions = [
        np.where(mistaken | (labels == 255), rng.integers(0, num_labels), labels).astype(dtype)
        for labels, mistaken in zip(references, wrong, strict=True)
    ]
    return predictions, references


def fastest(function: Callable[[], float], repeats: int) -> tuple[float, float]:
    """Return the shortest time in seconds, and the result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


@command_line()
def main(arguments: list[str] | None = None) -> None:
    """Time both on the same maps and print the ratios."""
    parser = argument_parser(__doc__)
    parser.add_argument("--count", type=int, default=50, help="maps")
    parser.add_argument("--side", type=int, default=512, help="of a square map, in pixels")
    parser.add_argument("--num_labels", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--official", help="folder with the official module (mean_iou.py), to time it as well"
    )
    options = parser.parse_args(arguments)
    classes = {"num_labels": options.num_labels, "ignore_index": 255}
    metrics = {"ours, one joint histogram": load_metric("mean_iou")}
    if options.official:
        import evaluate  # after sapa_hf.metrics, which keeps scripts/evaluate.py from standing in for it

        metrics["the evaluate library's"] = evaluate.load(options.official)

    print(f"{options.count} maps of {options.side}x{options.side}, {options.num_labels} classes")
    for dtype in ("uint8", "int64"):
        maps = draw_maps(options.count, options.side, options.num_labels, dtype)
        base, expected = fastest(lambda maps=maps: plain_mean_iou(*maps, **classes), options.repeats)
        print(f"{dtype:6} {'plain, image by image':28} {base:8.3f} s")
        for title, metric in metrics.items():

            def score(maps=maps, metric=metric):
                return metric.compute(predictions=maps[0], references=maps[1], **classes)["mean_iou"]

            seconds, result = fastest(score, options.repeats)
            if result != expected:
                raise RuntimeError(f"{title}: {result} differs from the plain way's {expected}")
            print(f"{dtype:6} {title:28} {seconds:8.3f} s, {base / seconds:6.1f} x the plain way's speed")


if __name__ == "__main__":
    main()
