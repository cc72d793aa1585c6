"""What the demonstration does, step by step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from transformers.utils.logging import disable_progress_bar

from sapa_hf.data import Samples, load_split
from sapa_hf.evaluation import read_results
from sapa_hf.load import load_model
from sapa_hf.predict import load_predictor
from sapa_hf.publishing import assemble_folder, check_folder, find_model, find_results
from sapa_hf.tasks import DepthTask, Task, task_named
from sapa_hf.tasks.depth import evaluate_constant_depth, mean_depth
from sapa_hf.tasks.segmentation import evaluate_constant, most_common_label, overall_table
from sapa_hf.training import parse_arguments

from ..comparison import busiest, compare
from .training import Job, train_side_by_side

RUNS = {  # name -> recipe and upsampler
    "bilinear": ("segformer_tiny_scenes", "bilinear"),
    "sapa-g": ("segformer_tiny_scenes", "sapa-g"),
    "depth": ("glpn_tiny_scenes", "sapa-g"),
}
UPSAMPLERS = {"bilinear": "SegFormer, bilinear upsampling", "sapa-g": "SegFormer, SAPA-G upsampling"}
ONE_SEED = "one seed: a point or two between the networks may be chance"
CAPTIONS = {"bilinear": "bilinear", "sapa-g": "SAPA-G"}


@dataclass
class Demo:
    """What the steps share.

    Attributes:
        folder: Where everything is written.
        overrides: Settings of the recipe to change, as `key=value`.
        scores: Title -> segmentation metrics on the test split, filled by the steps.
        depth_scores: Title -> depth metrics on the test split, filled by the steps.
        places: Title -> what to look at, filled by the steps.
    """

    folder: Path
    overrides: Sequence[str] = ()
    scores: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    depth_scores: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def run_folder(self, run: str) -> Path:
        """Name the folder of a training."""
        return self.folder / f"run-{run}"

    def arguments(self, run: str) -> list[str]:
        """Give the arguments of a training: one recipe and one seed, only the upsampler differs."""
        recipe, upsampler = RUNS[run]
        settings = ["tracker=none", *self.overrides, f"upsampler={upsampler}", "overwrite=true"]
        return [recipe, *settings, f"output_dir={self.run_folder(run)}"]

    def task(self, run: str) -> Task:
        """Make the task of a training."""
        arguments = parse_arguments(self.arguments(run))
        return task_named(arguments.run.task)(arguments)

    def samples(self, split: str) -> Samples:
        """Give the rendered rooms of a split, as they are."""
        spec = self.task("bilinear").spec
        return Samples(load_split(spec, getattr(spec, f"{split}_split")), spec)


def score_constant(demo: Demo) -> None:
    """Score the least that a model must beat: the most common class of the training rooms, everywhere."""
    train, test = demo.samples("train"), demo.samples("test")
    classes = {"num_labels": test.spec.num_labels, "ignore_index": test.spec.ignore_index}
    label = most_common_label(train, **classes)
    title = f'"{test.spec.id2label[label]}" everywhere, the most common class'
    demo.scores[title] = evaluate_constant(test, label, **classes)


def train(demo: Demo) -> None:
    """Train the plain model, the one with SAPA, and one of depth."""
    steps = {run: demo.task(run).arguments.optimization.max_steps for run in RUNS}
    train_side_by_side([Job(demo.arguments(run), demo.run_folder(run), steps[run]) for run in RUNS])
    for upsampler, title in UPSAMPLERS.items():
        demo.scores[title] = read_results(demo.run_folder(upsampler) / "results.json")["metrics"]


def publish(demo: Demo) -> None:
    """Write the folder that the Hub would host, and load it where sapa_hf is not installed."""
    run, folder = demo.run_folder("sapa-g"), demo.folder / "hub" / "sapa-segformer-tiny"
    assemble_folder(find_model(run), folder, find_results(run), overwrite=True)
    difference = check_folder(folder)
    demo.places["folder for the Hub, with its card"] = str(folder)
    demo.places["loaded back by AutoModel without sapa_hf"] = f"largest difference {difference:g}"


def draw(demo: Demo) -> None:
    """Draw the room with the most class borders, chosen by its labels alone."""
    test = demo.samples("test")
    (index,) = busiest([test[index]["labels"] for index in range(len(test))])
    sample = test[index]
    predictions = {}
    for upsampler in UPSAMPLERS:
        predictor = load_predictor(find_model(demo.run_folder(upsampler)))
        predictions[CAPTIONS[upsampler]] = predictor.predict(sample["image"], sample["id"])
    path = demo.folder / "comparison.png"
    compare(sample["image"], sample["labels"], predictions, test.spec.id2label).save(path)
    demo.places["picture"] = str(path)


def score_depth(demo: Demo) -> None:
    """Score the depth model beside the mean depth of the rooms, and draw it."""
    folder, task = demo.run_folder("depth"), demo.task("depth")
    spec, metric = task.spec, task.arguments.evaluation.metric
    train, test = (task.samples(spec, split) for split in (spec.train_split, spec.test_split))
    mean = mean_depth(train)
    demo.depth_scores["mean depth of the training rooms"] = evaluate_constant_depth(test, mean, metric=metric)
    demo.depth_scores["GLPN, SAPA-G upsampling"] = read_results(folder / "results.json")["metrics"]
    path = demo.folder / "depth.png"
    task.pictures(load_model(find_model(folder)))["0"].save(path)
    demo.places["picture of depth"] = str(path)


# In this order; a step finds what it needs in the folder or in what earlier steps noted.
STEPS: tuple[tuple[str, Callable[[Demo], None]], ...] = (
    ("Rendering rooms, scoring the most common class", score_constant),
    ("Training a small SegFormer, bilinear and with SAPA-G, and a small GLPN on depth, side by side", train),
    ("Publishing the one with SAPA-G, and loading it back in a bare interpreter", publish),
    ("Drawing both", draw),
    ("Scoring and drawing depth", score_depth),
)


def run_demo(folder: str | Path = "demo", overrides: Sequence[str] = ()) -> Demo:
    """Take all steps and print what came of them.

    Args:
        folder: Where to write; an earlier demonstration there is replaced.
        overrides: Settings of the recipe to change, as `key=value`.
    """
    disable_progress_bar()  # of loading and saving weights
    demo, began = Demo(Path(folder), tuple(overrides)), perf_counter()
    demo.folder.mkdir(parents=True, exist_ok=True)
    for number, (title, step) in enumerate(STEPS, 1):
        print(f"\n[{number}/{len(STEPS)}] {title}", flush=True)
        step(demo)
    print(f"\n{_summary(demo)}\n\n{perf_counter() - began:.0f} s", flush=True)
    return demo


def _summary(demo: Demo) -> str:
    width = max(len(title) for title in demo.places)
    places = [f"{title.ljust(width)}  {place}" for title, place in demo.places.items()]
    scores = [overall_table(demo.scores), f"({ONE_SEED})"]
    return "\n".join([*scores, "", DepthTask.table(demo.depth_scores), "", *places])
