"""A run's folder belongs to one training, and to no failed one."""

import multiprocessing
import os
import time

import pytest
import torch
from tiny_training import SegmentationTask, train

from sapa_hf.training import interruption
from sapa_hf.training.lock import RunLock


class HangingTask(SegmentationTask):
    """One data worker never answers, and the main process meets an error."""

    def transform(self):
        transform = super().transform()

        def hang(*arguments):
            if torch.utils.data.get_worker_info().id == 1:
                time.sleep(10_000)
            return transform(*arguments)

        return hang

    def weight(self, batch):
        raise RuntimeError("an error in the main process")


def test_a_data_worker_that_hangs_does_not_keep_a_failed_run_alive(tmp_path, monkeypatch):
    monkeypatch.setattr(interruption, "PATIENCE", 0.5)
    with pytest.raises(RuntimeError, match="an error in the main process"):
        train(tmp_path, "num_workers=2", task=HangingTask)
    assert not multiprocessing.active_children()
    train(tmp_path, "num_workers=2", "--resume", "max_steps=1")  # the folder is free again


def hold(folder, connection):
    """Lock the folder in another process, until told to end."""
    lock = RunLock(folder)
    lock.acquire()
    connection.send(os.getpid())
    connection.recv()


def test_two_trainings_never_share_a_folder_and_a_killed_one_gives_it_back(tmp_path):
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("fork").Process(target=hold, args=(tmp_path, there))
    other.start()
    pid = here.recv()
    with pytest.raises(
        ValueError, match=rf"holds a run that is still going on, process {pid} on .* since 20"
    ):
        train(tmp_path, "--overwrite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.lock"]
    other.kill()
    other.join()
    train(tmp_path, "max_steps=1")
    assert str(os.getpid()) in (tmp_path / "run.lock").read_text()


def test_an_output_dir_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/run"):
        with pytest.raises(ValueError, match="output_dir must be a folder, got .*file"):
            RunLock(tmp_path / folder).acquire()
