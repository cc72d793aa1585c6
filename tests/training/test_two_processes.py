"""Two processes do what one process with twice the accumulation does."""

import shutil

import pytest
import torch
from interpreter import run_ranks
from matting_scenes import write_parquet
from tiny_depth import GLPN
from tiny_matting import MATTING
from tiny_training import NO_DROPOUT, log_lines, optimizer_state, sample_ids, settings_for, train, weights

from sapa_hf.tasks import DepthTask, MattingTask, SegmentationTask

RUN = [
    "max_steps=4",
    "checkpoint_steps=2",
    "keep_checkpoints=9",
    "batch_size=2",
    "learning_rate=2e-4",
]
TASKS = {
    "mIoU": (SegmentationTask, [*NO_DROPOUT, *RUN]),
    "abs_rel": (DepthTask, [*GLPN, *RUN]),
    "SAD": (MattingTask, [*MATTING, *RUN, "model_config.dropout=0"]),
}  # by the metric they print
TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=list(TASKS))
def metric(request):
    return request.param


@pytest.fixture(scope="module")
def run(metric, tmp_path_factory):
    """Task and settings; matting has no data set that is computed."""
    task, settings = TASKS[metric]
    if task is MattingTask:
        settings = [*settings, f"data_path={write_parquet(tmp_path_factory.mktemp('data') / 'photos')}"]
    return task, settings


@pytest.fixture(scope="module")
def one_process(run, tmp_path_factory):
    folder, (task, settings) = tmp_path_factory.mktemp("one"), run
    train(folder, *settings, "gradient_accumulation_steps=2", task=task)
    return folder


@pytest.fixture(scope="module")
def two_processes(metric, run, tmp_path_factory):
    """The same micro-batches in two ranks, with gloo on the CPU."""
    folder = tmp_path_factory.mktemp("two")
    task, settings = run
    command = ["-m", "sapa_hf.scripts.train", *settings_for(task), *settings, f"output_dir={folder}"]
    ranks = run_ranks(2, *command)
    assert all(rank.returncode == 0 for rank in ranks), "".join(rank.stderr[-5000:] for rank in ranks)
    assert sum(rank.stdout.count(metric) for rank in ranks) == 1  # only the main process speaks
    return folder


def assert_close(mine, theirs):
    """All parameters agree; BatchNorm's running statistics are those of the first rank alone."""
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        if ".running_" not in name and not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, theirs[name], rtol=0, atol=TOLERANCE, msg=name)


@pytest.mark.slow
def test_two_processes_match_one_with_twice_the_accumulation(one_process, two_processes):
    assert sample_ids(two_processes) == sample_ids(one_process)
    for step in (2, 4):
        assert_close(weights(two_processes, step), weights(one_process, step))
        # AdamW's first moment is a running mean of the gradients.
        mine, theirs = (optimizer_state(folder, step) for folder in (two_processes, one_process))
        assert mine.keys() == theirs.keys()
        for number, state in mine.items():
            torch.testing.assert_close(state["exp_avg"], theirs[number]["exp_avg"], rtol=0, atol=TOLERANCE)
    losses = [
        [line["loss"] for line in log_lines(folder) if "loss" in line]
        for folder in (one_process, two_processes)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=TOLERANCE)
    norms = [
        [line["grad_norm"] for line in log_lines(folder) if "loss" in line]
        for folder in (one_process, two_processes)
    ]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


@pytest.mark.slow
def test_one_process_goes_on_from_a_checkpoint_of_two(run, one_process, two_processes, tmp_path, caplog):
    folder = tmp_path / "run"
    shutil.copytree(two_processes, folder)
    shutil.rmtree(folder / "checkpoints" / "step-00000004")
    task, settings = run
    train(folder, *settings, "gradient_accumulation_steps=2", "--resume", task=task)
    assert "world_size was 2 before and is 1 now" in caplog.text
    assert sample_ids(folder) == sample_ids(one_process)
    assert_close(weights(folder, 4), weights(one_process, 4))
