"""Every command line knows `--version`, says a mistake in one line, and prints on any terminal."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from sapa_hf import __version__
from sapa_hf.command_line import command_line

SCRIPTS = sorted(path.stem for path in (Path(__file__).parents[1] / "scripts").glob("[!_]*.py"))


@pytest.mark.parametrize("name", [*(f"scripts.{name}" for name in SCRIPTS), "kernels.__main__"])
def test_every_command_line_says_its_version(name, capsys):
    main = import_module(f"sapa_hf.{name}").main
    try:
        main(["--version"])
    except SystemExit as end:
        assert end.code == 0
    assert capsys.readouterr().out == f"sapa-hf {__version__}\n"


@pytest.mark.parametrize(
    "script, arguments, message",
    [
        ("train", ["segformer_tiny_scenes", "max_stepz=3"], "train: .*unknown key 'max_stepz'"),
        ("train", ["no_such_recipe"], "train: no recipe 'no_such_recipe'"),
        ("train", ["segformer_tiny_scenes", "task=none"], "train: .*none"),
        (
            "train",
            ["segformer_tiny_scenes", "upsampler=max_unpool"],
            "train: .*encoder of SapaSegformerConfig",
        ),
        ("train", ["bts_nyu", "upsampler=max_unpool"], "train: .*encoder of SapaBtsConfig"),
        (
            "train",
            ["segformer_tiny_scenes", "model_config.backbone_config=resnet"],
            "train: .*{model_type: resnet}, got 'resnet'",
        ),
        ("train", [], "usage: train.py RECIPE"),
        ("evaluate", ["--model", "no/such/folder", "--dataset", "scenes"], "evaluate: .*no/such/folder"),
        ("predict", ["photo.png", "--model", "no/such/folder", "--output_dir", "x"], "predict: .*no/such/f"),
        ("publish", ["--model", "no/such/folder", "--output_dir", "x"], "publish: .*no/such/folder"),
        ("visualize", ["--models", "no/such/folder", "--images", "none.png"], "visualize: none.png"),
        ("study", ["no_such_recipe", "--variants", "bilinear", "--output_dir", "x"], "study: no recipe"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(script, arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        import_module(f"sapa_hf.scripts.{script}").main(arguments)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(message, line)
    assert not list(tmp_path.iterdir())


def test_a_fault_of_ours_keeps_its_traceback():
    @command_line()
    def main(arguments=None):
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError, match="ours"):
        main([])


def test_ctrl_c_says_what_to_do(capsys):
    @command_line(interrupted="stopped; start it again")
    def main(arguments=None):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 130 and "stopped; start it again" in capsys.readouterr().err


@pytest.mark.slow
def test_names_that_the_terminal_cannot_show_end_no_run():
    code = (
        "from sapa_hf.command_line import command_line\n"
        "@command_line()\n"
        "def main(arguments=None): print('фон 道路')\n"
        "main()"
    )
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=300)
    assert done.returncode == 0 and done.stdout.startswith(rb"\u0444\u043e\u043d"), done.stderr


@pytest.mark.slow
def test_stderr_of_a_process_holds_the_mistake_alone():
    command = [sys.executable, "-m", "sapa_hf.scripts.train", "segformer_tiny_scenes", "max_stepz=3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and "nearest valid keys: max_steps" in done.stderr
