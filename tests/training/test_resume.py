"""A run that was interrupted ends bit for bit where the uninterrupted one does."""

import json
import logging
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from accelerate.utils import load
from interpreter import run_python
from tiny_training import SegmentationTask, log_lines, optimizer_state, sample_ids, train, weights


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run of 8 steps in one go, with dropout and drop path on."""
    folder = tmp_path_factory.mktemp("straight")
    train(folder)
    return folder


def assert_same_end(one, other, step=8):
    """Weights, optimizer, schedule, random state and the order of samples are equal, bit for bit."""
    ends = [Path(folder) / "checkpoints" / f"step-{step:08d}" for folder in (one, other)]
    for mine, theirs in zip(*(end_weights(end) for end in ends), strict=True):
        assert torch.equal(mine, theirs)
    states = [optimizer_state(folder, step) for folder in (one, other)]
    for number, state in states[0].items():
        assert all(torch.equal(value, states[1][number][key]) for key, value in state.items())
    schedules = [load(end / "custom_checkpoint_0.pkl") for end in ends]
    assert schedules[0] == schedules[1]
    randoms = [load(end / "random_states_0.pkl") for end in ends]
    assert torch.equal(randoms[0]["torch_manual_seed"], randoms[1]["torch_manual_seed"])
    assert randoms[0]["random_state"] == randoms[1]["random_state"]
    assert (randoms[0]["numpy_random_seed"][1] == randoms[1]["numpy_random_seed"][1]).all()
    assert sample_ids(one) == sample_ids(other)
    losses = [[(line["step"], line["loss"]) for line in log_lines(f) if "loss" in line] for f in (one, other)]
    assert losses[0] == losses[1] and len(losses[0]) == step


def end_weights(checkpoint):
    state = weights(checkpoint.parents[1], 8)
    return [state[name] for name in sorted(state)]


def kill_at(folder, step, *overrides):
    """Run the same training in another process, until it is killed inside a step."""
    command = [Path(__file__).parents[1] / "tiny_training.py", folder, *overrides]
    result = run_python(*command, env=os.environ | {"KILL_AT": str(step)})
    assert result.returncode == -signal.SIGKILL, result.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_resume_after_kill_is_bitwise(straight, tmp_path, workers):
    kill_at(tmp_path, 6, f"num_workers={workers}")
    checkpoints = tmp_path / "checkpoints"
    assert [line["step"] for line in log_lines(tmp_path) if "loss" in line] == [1, 2, 3, 4, 5]
    truncated = checkpoints / "step-00000005"  # looks finished, but a file was cut short
    shutil.copytree(checkpoints / "step-00000003", truncated)
    (truncated / "optimizer.bin").write_bytes((truncated / "optimizer.bin").read_bytes()[:100])
    (checkpoints / "step-00000006.partial").mkdir()
    (checkpoints / "step-00000006.partial" / "model.safetensors").write_bytes(b"half")
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "lo')
    train(tmp_path, f"num_workers={workers}", "--resume")
    assert_same_end(straight, tmp_path)
    assert sorted(path.name for path in checkpoints.iterdir()) == ["step-00000006", "step-00000008"]


class StoppedTask(SegmentationTask):
    """Is asked to stop during its fourth step."""

    steps = 0

    def weight(self, batch):
        self.steps += 1
        if self.steps == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().weight(batch)


def test_sigterm_finishes_the_step_and_resume_is_bitwise(straight, tmp_path, caplog):
    assert train(tmp_path, task=StoppedTask).table is None
    assert "add --resume" in caplog.text
    assert (tmp_path / "checkpoints" / "step-00000005").is_dir()
    assert not (tmp_path / "results.json").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    train(tmp_path, "--resume")
    assert_same_end(straight, tmp_path)


class RandomEvaluation(SegmentationTask):
    def evaluate(self, model, accelerator):
        torch.rand(5)
        return super().evaluate(model, accelerator)


def test_evaluation_uses_up_no_random_numbers(straight, tmp_path):
    train(tmp_path, "eval_steps=1", "eval_limit=1", task=RandomEvaluation)
    assert_same_end(straight, tmp_path)


def test_resume_of_a_finished_run_only_scores_it_again(straight, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(straight, folder)
    (folder / "results.json").unlink()
    trainer = train(folder, "--resume")
    assert "mIoU" in trainer.table and (folder / "results.json").exists()
    assert_same_end(straight, folder)


def copy_ending_at(straight, folder, step):
    """Copy the run as it stood right after a checkpoint."""
    shutil.copytree(straight, folder)
    for path in (folder / "checkpoints").iterdir():
        if path.name != f"step-{step:08d}":
            shutil.rmtree(path)
    return folder / "checkpoints" / f"step-{step:08d}"


def test_resume_with_other_settings_says_which(straight, tmp_path, caplog):
    copy_ending_at(straight, tmp_path / "run", 6)
    with caplog.at_level(logging.WARNING):
        train(
            tmp_path / "run",
            "--resume",
            "batch_size=2",
            "data_fields.options={count: 9, eval_count: 2, size: 32}",
        )
    assert "batch_size was 3 before and is 2 now" in caplog.text
    assert "data was" in caplog.text
    assert "log_steps was" not in caplog.text


def test_resume_refuses_a_broken_random_state(straight, tmp_path):
    file = copy_ending_at(straight, tmp_path / "run", 6) / "random_states_0.pkl"
    file.write_bytes(b"\0" * file.stat().st_size)  # accelerate itself would only log this
    with pytest.raises(ValueError, match="random_states_0.pkl is missing or broken"):
        train(tmp_path / "run", "--resume")


def test_resume_refuses_a_checkpoint_past_the_end(straight, tmp_path):
    copy_ending_at(straight, tmp_path / "run", 6)
    with pytest.raises(ValueError, match="past max_steps=4"):
        train(tmp_path / "run", "--resume", "max_steps=4")


def test_resume_without_a_checkpoint_starts_from_the_beginning(straight, tmp_path, caplog):
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 2, "loss": 1.0}) + "\n")
    train(tmp_path, "--resume")
    assert "nothing to resume" in caplog.text
    assert_same_end(straight, tmp_path)


def test_a_folder_with_a_run_is_never_mixed_with_another(straight, tmp_path):
    with pytest.raises(ValueError, match="add --resume to go on with it, --overwrite to delete it"):
        train(straight)
