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

from sapa_hf.atomic_write import temporary_path
from sapa_hf.training.checkpoint import find_damage


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


def test_a_run_in_channels_last_order_resumes_bitwise(tmp_path):
    order = torch.channels_last
    trainer = train(tmp_path / "whole", "channels_last=true")
    kernels = [p for p in trainer.model.parameters() if p.dim() == 4 and not p.is_contiguous()]
    assert kernels and all(kernel.is_contiguous(memory_format=order) for kernel in kernels)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step-00000008")
    train(tmp_path / "cut", "channels_last=true", "--resume")
    assert_same_end(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_resume_after_kill_is_bitwise(straight, tmp_path, workers):
    kill_at(tmp_path, 6, f"num_workers={workers}")
    checkpoints = tmp_path / "checkpoints"
    assert [line["step"] for line in log_lines(tmp_path) if "loss" in line] == [1, 2, 3, 4, 5]
    truncated = checkpoints / "step-00000005"  # looks finished, but a file was cut short
    shutil.copytree(checkpoints / "step-00000003", truncated)
    (truncated / "optimizer.bin").write_bytes((truncated / "optimizer.bin").read_bytes()[:100])
    partial = temporary_path(checkpoints / "step-00000006")
    partial.mkdir()
    (partial / "model.safetensors").write_bytes(b"half")
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
    with pytest.raises(
        ValueError, match=r"no checkpoint .* intact .*random_states_0.pkl is damaged.*--overwrite"
    ):
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


FILES = [
    "model.safetensors",
    "optimizer.bin",
    "custom_checkpoint_0.pkl",
    "random_states_0.pkl",
    "state.json",
]
DAMAGES = {
    "a flipped bit": lambda content: content[:-9] + bytes([content[-9] ^ 16]) + content[-8:],
    "zeros": lambda content: bytes(len(content)),
    "cut short": lambda content: content[:-1],
}


def test_every_file_of_a_checkpoint_is_known(straight):
    written = (straight / "checkpoints" / "step-00000008").rglob("*")
    assert sorted(path.name for path in written) == sorted(FILES)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named(straight, tmp_path, name, damage):
    checkpoint = tmp_path / "step-00000008"
    shutil.copytree(straight / "checkpoints" / "step-00000008", checkpoint)
    assert find_damage(checkpoint) is None
    file = checkpoint / name
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    assert name in find_damage(checkpoint) and "damaged" in find_damage(checkpoint)
    file.unlink()
    assert name in find_damage(checkpoint) and "missing" in find_damage(checkpoint)


def test_resume_passes_over_a_damaged_checkpoint_and_over_stray_files(straight, tmp_path, caplog):
    folder = tmp_path / "run"
    shutil.copytree(straight, folder)
    file = folder / "checkpoints" / "step-00000008" / "optimizer.bin"
    file.write_bytes(DAMAGES["a flipped bit"](file.read_bytes()))
    strays = ["step-notes.txt", "step-00000099", "step-00000008 (copy)", ".DS_Store"]
    for name in strays:
        (folder / "checkpoints" / name).write_text("mine")
    odd = b"\xff\x00 not ours\n[1, 2]\n3\n"
    log = (folder / "log.jsonl").read_bytes()
    (folder / "log.jsonl").write_bytes(odd + log + b'{"step": 6, "lo')
    train(folder, "--resume")
    assert "passed over the checkpoint" in caplog.text and "optimizer.bin is damaged" in caplog.text
    assert "resumed from" in caplog.text and "step-00000006" in caplog.text
    assert all((folder / "checkpoints" / name).read_text() == "mine" for name in strays)
    written = (folder / "log.jsonl").read_bytes()
    assert written.startswith(odd) and b'"lo' not in written.replace(b'"loss', b"")
    (folder / "log.jsonl").write_bytes(written[len(odd) :])
    assert_same_end(straight, folder)


class FailingEvaluation(SegmentationTask):
    def evaluate(self, model, accelerator):
        raise OSError("the evaluation split is gone")


def test_a_checkpoint_is_written_before_an_evaluation_can_fail(straight, tmp_path):
    with pytest.raises(OSError, match="the evaluation split is gone"):
        train(tmp_path, task=FailingEvaluation)
    assert (tmp_path / "checkpoints" / "step-00000004").is_dir()
    train(tmp_path, "--resume")
    assert [line["step"] for line in log_lines(tmp_path) if "evaluation" in line] == [4, 8]
    assert_same_end(straight, tmp_path)


def test_a_run_that_goes_on_drops_its_results_and_keeps_its_best_weights(straight, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(straight, folder)
    best = (folder / "best" / "model.safetensors").read_bytes()
    with pytest.raises(OSError, match="gone"):
        train(folder, "--resume", "max_steps=9", task=FailingEvaluation)
    assert not (folder / "results.json").exists()
    assert (folder / "best" / "model.safetensors").read_bytes() == best


def test_best_weights_of_a_later_step_are_not_taken_for_those_of_the_checkpoint(straight, tmp_path, caplog):
    folder = tmp_path / "run"
    copy_ending_at(straight, folder, 6)
    shutil.copy(folder / "checkpoints/step-00000006/model.safetensors", folder / "best" / "model.safetensors")
    train(folder, "--resume")
    assert "does not hold the weights of step 4" in caplog.text
    assert json.loads((folder / "results.json").read_text())["training"]["best_step"] == 8
