"""A training run small enough for tests: 10 rooms of 32 px, a SegFormer with 8 to 16 channels."""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from sapa_hf.tasks import SegmentationTask
from sapa_hf.training import Trainer, parse_arguments
from sapa_hf.training.arguments import ABOUT

TINY = [
    "data_fields={options: {count: 10, eval_count: 2, size: 32}}",
    "crop_size=32",
    "base_size=[128, 32]",
    "model_config={hidden_sizes: [8, 8, 16, 16], depths: [1, 1, 1, 1], num_attention_heads: [1, 1, 2, 2]}",
    "model_config.decoder_hidden_size=8",
    "upsampler_embedding_dim=4",
    "eval_short_side=32",
    "learning_rate=1e-3",
    "warmup_steps=2",
    "max_steps=8",
    "batch_size=3",  # 10 images: every step but one in ten begins inside an epoch
    "checkpoint_steps=3",
    "eval_steps=4",
    "log_steps=1",
    "log_sample_ids=true",
    "pictures=0",
    "tracker=none",
    "cpu=true",
]
NO_DROPOUT = ["model_config.classifier_dropout_prob=0", "model_config.drop_path_rate=0"]


def settings_for(task):
    """TINY without what only other tasks read."""
    foreign = {key for key, about in ABOUT.items() if about["by_task"]} - task.keys
    return [setting for setting in TINY if setting.partition("=")[0] not in foreign]


def train(output_dir, *overrides, task=SegmentationTask):
    """Train in this process and return the trainer."""
    arguments = parse_arguments([*settings_for(task), f"output_dir={output_dir}", *overrides])
    trainer = Trainer(task(arguments), arguments)
    trainer.table = trainer.train()
    return trainer


class KilledTask(SegmentationTask):
    """Ends its process as `kill -9` does, in the middle of a step."""

    def weight(self, batch):
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == int(os.environ.get("KILL_AT", 0)):
            os.kill(os.getpid(), 9)
        return super().weight(batch)


def check_resume(uninterrupted, folder, *settings, task, step):
    """Stop a run in its fourth step, as a scheduler does, go on, and find an uninterrupted run's weights."""

    class Stopping(task):
        def weight(self, batch):
            self.steps = getattr(self, "steps", 0) + 1
            if self.steps == 4:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().weight(batch)

    train(folder, *settings, task=Stopping)
    assert not (Path(folder) / "results.json").exists()
    train(folder, *settings, "resume=true", task=task)
    found, expected = weights(folder, step), weights(uninterrupted, step)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def log_lines(output_dir):
    return [json.loads(line) for line in (Path(output_dir) / "log.jsonl").read_text().splitlines()]


def sample_ids(output_dir):
    return [(line["step"], line["ids"]) for line in log_lines(output_dir) if "ids" in line]


def weights(output_dir, step):
    return load_file(Path(output_dir) / "checkpoints" / f"step-{step:08d}" / "model.safetensors")


def optimizer_state(output_dir, step):
    file = Path(output_dir) / "checkpoints" / f"step-{step:08d}" / "optimizer.bin"
    return torch.load(file, weights_only=True)["state"]


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(*sys.argv[1:], task=KilledTask)
