"""A study in small: real trainings in processes of their own, and its arithmetic on known figures."""

import json
import shutil
from pathlib import Path

import pytest
from interpreter import run_python
from PIL import Image

from sapa_hf.paper.study import (
    class_table,
    difference_table,
    draw_plot,
    finish_runs,
    plan_runs,
    read_runs,
    summarize,
    summary_table,
    write_report,
)
from sapa_hf.scripts.study import parse_arguments
from sapa_hf.training import parse_arguments as parse_settings

TINY = (
    "segformer_tiny_scenes",
    "data_fields.options={count: 4, eval_count: 2, size: 64}",
    "crop_size=64",
    "max_steps=2",
    "batch_size=2",
    "eval_steps=2",
    "num_workers=0",
    "tracker=none",
    "pictures=0",
    "cpu=true",
)


def records(figures):
    return [
        {
            "variant": variant,
            "seed": seed,
            "task": "image-segmentation",
            "metrics": {"mean_iou": value, "boundary_iou": value / 2},
            "parameters": 1000,
            "images_per_second": 10.0 + seed,
            "peak_memory_mb": None,
        }
        for variant, seed, value in figures
    ]


def cells(line):
    """The cells of a Markdown table's line."""
    return [cell.strip() for cell in line.strip("|").split("|")]


FIGURES = [("bilinear", 0, 0.30), ("sapa-g", 0, 0.34), ("bilinear", 1, 0.40), ("sapa-g", 1, 0.42)]


def test_variant_may_carry_settings_of_its_own(tmp_path):
    variants = ["sapa-b", "sapa-b upsampler_border=zero upsampler_kernel_size=3"]
    plain, other = plan_runs(TINY, "upsampler", variants, [0], tmp_path)
    assert [run.variant for run in (plain, other)] == variants and plain.folder != other.folder
    was, now = (parse_settings(run.tokens).model for run in (plain, other))
    assert (was.upsampler, was.upsampler_border, was.upsampler_kernel_size) == ("sapa-b", "mask", 5)
    assert (now.upsampler, now.upsampler_border, now.upsampler_kernel_size) == ("sapa-b", "zero", 3)


def with_classes(figures):
    """Runs with three classes: the sky fills the photos, poles are thin, cars never occur in the labels."""
    names, pixels = ("sky", "pole", "car"), (9000, 1000, 0)
    return [
        {
            "variant": variant,
            "seed": seed,
            "per_class": [
                {"id": number, "name": name, "iou": iou, "pixels": count}
                for number, (name, iou, count) in enumerate(zip(names, ious, pixels, strict=True))
            ],
        }
        for variant, seed, ious in figures
    ]


def test_classes_are_listed_from_the_rarest_with_paired_differences():
    runs = [
        ("bilinear", 0, (0.90, 0.10, None)),
        ("bilinear", 1, (0.80, 0.20, None)),
        ("sapa-g", 1, (0.82, 0.30, None)),
        ("sapa-b", 0, (0.88, None, None)),
    ]
    lines = class_table(with_classes(runs), "bilinear").splitlines()
    assert cells(lines[0]) == ["class", "pixels", "bilinear", "sapa-g", "sapa-b"]
    assert [cells(line) for line in lines[2:]] == [
        ["pole", "10.0%", "15.0", "30.0 (+10.0)", ""],
        ["sky", "90.0%", "85.0", "82.0 (+2.0)", "88.0 (-2.0)"],
    ]


def test_a_task_without_classes_has_no_table_of_them():
    assert class_table([{"variant": "bilinear", "seed": 0, "per_class": []}], "bilinear") == ""


def test_difference_is_paired_by_seed():
    rows = {row["variant"]: row for row in summarize(records(FIGURES), "bilinear")}
    found = rows["sapa-g"]["mean_iou"]
    assert found["mean"] == pytest.approx(0.38)
    assert found["spread"] == pytest.approx(0.04 * 2**0.5)
    assert found["difference"] == pytest.approx(0.03)
    # The seeds differ much more than the variants do: pairing takes that out.
    assert found["difference_spread"] == pytest.approx(0.01 * 2**0.5)
    assert rows["bilinear"]["mean_iou"]["difference"] is None
    assert rows["sapa-g"]["images_per_second"] == 10.5


def test_seeds_that_the_baseline_lacks_take_no_part_in_the_difference():
    (row,) = [
        r for r in summarize(records([*FIGURES, ("carafe", 7, 0.5)]), "bilinear") if r["variant"] == "carafe"
    ]
    assert row["mean_iou"]["difference"] is None and row["mean_iou"]["spread"] is None


def test_table_shows_mean_spread_and_difference():
    table = summary_table(records(FIGURES), "bilinear").splitlines()
    assert cells(table[0])[:3] == ["variant", "runs", "mIoU, % (to bilinear)"]
    assert cells(table[3])[:3] == ["sapa-g", "2", "38.00 ± 5.66 (+3.00 ± 1.41)"]


def test_intervals_are_students_over_the_paired_seeds():
    values = [("bilinear", 0, 0.30), ("bilinear", 1, 0.40), ("bilinear", 2, 0.35)]
    values += [("sapa-g", 0, 0.33), ("sapa-g", 1, 0.41), ("sapa-g", 2, 0.37), ("carafe", 0, 0.5)]
    table = difference_table(records(values), "bilinear").splitlines()
    assert cells(table[0])[:2] == ["variant", "mIoU, % to bilinear, 95 % interval"]
    # +3, +1, +2: deviation 1, and Student's t of two degrees of freedom is 4.303.
    assert [cells(line)[:2] for line in table[2:]] == [["sapa-g", "+2.00 ± 2.48"]]
    assert difference_table(records(FIGURES[:2]), "bilinear") == ""


def test_a_setting_that_a_variants_upsampler_does_not_have_is_refused(tmp_path):
    with pytest.raises(ValueError, match="sapa-i has no option start; it has kernel_size, "):
        plan_runs(TINY, "upsampler", ["sapa-i upsampler_start=bilinear"], [0], tmp_path)
    plan_runs(TINY, "upsampler", ["sapa-i upsampler_border=mask"], [0], tmp_path)


def test_plot_is_a_picture_and_needs_a_run(tmp_path):
    draw_plot(records(FIGURES), "bilinear", tmp_path / "study.png", "a study")
    assert Image.open(tmp_path / "study.png").size[0] > 500
    with pytest.raises(ValueError, match="No run is finished yet"):
        draw_plot([], "bilinear", tmp_path / "none.png", "nothing")


def test_plan_goes_seed_by_seed_and_refuses_wrong_settings_before_training(tmp_path):
    runs = plan_runs(TINY, "upsampler", ["bilinear", "sapa-b"], [0, 1], tmp_path)
    assert [(run.variant, run.seed) for run in runs] == [
        ("bilinear", 0),
        ("sapa-b", 0),
        ("bilinear", 1),
        ("sapa-b", 1),
    ]
    with pytest.raises(ValueError, match="max_step"):
        plan_runs([*TINY, "max_step=3"], "upsampler", ["bilinear"], [0], tmp_path)
    with pytest.raises(ValueError, match="got 'sapa-x'"):
        plan_runs(TINY, "upsampler", ["bilinear", "sapa-x"], [0], tmp_path)
    with pytest.raises(ValueError, match="kernel_size must be odd"):
        plan_runs(TINY, "upsampler_kernel_size", ["3", "4"], [0], tmp_path)
    with pytest.raises(
        ValueError,
        match="task must be one of .*, got 'depht'",
    ):
        plan_runs([*TINY, "task=depht"], "upsampler", ["bilinear"], [0], tmp_path)
    with pytest.raises(ValueError, match="variants must be listed, each once; got bilinear, bilinear"):
        plan_runs(TINY, "upsampler", ["bilinear", "bilinear"], [0], tmp_path)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two finished runs, by the script."""
    folder = tmp_path_factory.mktemp("study")
    script = Path(__file__).parents[2] / "scripts" / "study.py"
    options = ["--variants", "bilinear", "dysample", "--seeds", "0", "--output_dir", str(folder)]
    done = run_python(script, *TINY, *options)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done.stdout


@pytest.mark.slow
def test_study_writes_a_results_file_a_run_a_table_and_a_plot(study):
    folder, printed = study
    found = json.loads((folder / "study.json").read_text())
    assert [run["variant"] for run in found["runs"]] == ["bilinear", "dysample"]
    for run in found["runs"]:
        results = json.loads((folder / f"{run['variant']}-seed0" / "results.json").read_text())
        assert results["model"]["upsampler"] == run["variant"]
        assert results["metrics"]["mean_iou"] == run["metrics"]["mean_iou"]
        assert run["images_per_second"] > 0 and run["peak_memory_mb"] > 50 and run["steps"] == 2
    for text in (printed, (folder / "study.md").read_text()):
        assert ["dysample", "1"] in [cells(line)[:2] for line in text.splitlines() if line.startswith("|")]
    assert (folder / "study.png").exists()


@pytest.mark.slow
def test_finished_runs_are_left_alone_and_missing_ones_are_made_up(study):
    folder, _ = study
    runs = plan_runs(TINY, "upsampler", ["bilinear", "dysample"], [0], folder)
    results = [run.folder / "results.json" for run in runs]
    kept = results[0].stat().st_mtime_ns
    before = json.loads(results[1].read_text())
    results[1].unlink()  # as if the study had been stopped there
    finish_runs(runs)
    assert results[0].stat().st_mtime_ns == kept
    assert json.loads(results[1].read_text())["metrics"]["mean_iou"] == before["metrics"]["mean_iou"]
    assert len(read_runs(runs)) == 2


@pytest.mark.slow
def test_finished_run_with_other_settings_is_not_taken_for_this_studys(study):
    folder, _ = study
    runs = plan_runs([*TINY, "learning_rate=0.5"], "upsampler", ["bilinear"], [0], folder)
    with pytest.raises(ValueError, match=r"other settings \(learning_rate 0.003, now 0.5\)"):
        finish_runs(runs)
    with pytest.raises(ValueError, match="other settings"):
        read_runs(runs)  # nor is it reported as if it were


@pytest.mark.slow
def test_runs_that_learnt_from_different_data_are_not_compared(study, tmp_path):
    folder, _ = study
    shutil.copytree(folder, tmp_path / "mixed")
    path = tmp_path / "mixed" / "dysample-seed0" / "results.json"
    results = json.loads(path.read_text())
    results["training"]["data"] = "something else"
    path.write_text(json.dumps(results))
    with pytest.raises(ValueError, match="bilinear-seed0 and .*dysample-seed0 learnt from different data"):
        read_runs(plan_runs(TINY, "upsampler", ["bilinear", "dysample"], [0], tmp_path / "mixed"))


@pytest.mark.slow
def test_report_names_the_whole_command_but_not_where_the_data_lies(study):
    folder, _ = study
    for place in (
        ["data_path=/secret"],
        ["--data_path=/secret"],
        ["--data_path", "/secret"],
    ):
        runs = plan_runs([*TINY, *place], "upsampler", ["bilinear", "dysample"], [0], folder)
        write_report(runs, "upsampler", "dysample", [*TINY, *place], folder, "a title")
        command = json.loads((folder / "study.json").read_text())["command"]
        assert "/secret" not in command and "FOLDER" in command
        assert "--baseline dysample --title 'a title'" in command


def test_report_names_no_local_path_of_a_checkpoint(tmp_path):
    settings = [*TINY, "checkpoint=/home/alice/lite0"]
    runs = plan_runs(settings, "upsampler", ["bilinear"], [0], tmp_path / "runs")
    assert "No run is finished" in write_report(runs, "upsampler", "bilinear", settings, tmp_path)
    command = json.loads((tmp_path / "study.json").read_text())["command"]
    assert "checkpoint=lite0" in command and "alice" not in command


def test_a_baseline_that_is_no_variant_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--variants", "bilinear", "--baseline", "bilinaer", "--output_dir", "x"])
    assert "--baseline bilinaer is not among the variants bilinear" in capsys.readouterr().err
