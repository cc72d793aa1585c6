"""Python processes that need not load torch and transformers first: most of what a small program costs.

Each is forked from a server that has loaded those libraries and nothing of this project.
"""

import atexit
import multiprocessing
import os
import runpy
import socket
import sys
import tempfile
import types
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "torch._dynamo",
        "transformers.integrations.hub_kernels",
        "transformers.models.auto.modeling_auto",
        "transformers.models.auto.image_processing_auto",
        "transformers.models.segformer.modeling_segformer",
        "accelerate",
        "datasets",
    ]
)


class Interpreter:
    """One process that does what `python ARGUMENTS` does: a script, `-m MODULE` or `-c CODE`, then its own.

    Args:
        arguments: What follows `python` on the command line. `-I` in front keeps the working folder, the
            script's and PYTHONPATH off the path.
        cwd: Working folder; None is this process's.
        env: Its environment; None is this process's. Variables that the libraries read while they are
            imported (HF_...) must be as they are here: what needs others takes `subprocess`.
    """

    def __init__(self, *arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None):
        env = dict(os.environ if env is None else env)
        for name in {name for name in [*env, *os.environ] if name.startswith("HF_")}:
            assert env.get(name) == os.environ.get(name), f"{name} is read at import: take subprocess"
        self.command = list(map(str, arguments))
        self.written = tempfile.TemporaryDirectory(prefix="interpreter-")
        self.process = SERVER.Process(
            target=_become, args=(self.command, str(cwd or Path.cwd()), env, self.written.name)
        )
        self.process.start()

    def wait(self, timeout: float = 300) -> CompletedProcess:
        """Give its exit status and what it wrote; end it after `timeout` seconds."""
        self.process.join(timeout)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        with self.written as folder:
            stdout, stderr = (Path(folder, name).read_text() for name in ("stdout", "stderr"))
        return CompletedProcess(self.command, self.process.exitcode, stdout, stderr)


def run_python(*arguments: object, **options) -> CompletedProcess:
    """Run `python ARGUMENTS` to its end, with the options of `Interpreter`."""
    return Interpreter(*arguments, **options).wait()


def run_ranks(count: int, *arguments: object) -> list[CompletedProcess]:
    """Run `python ARGUMENTS` in processes that torchrun's variables make the ranks of one group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    group |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    ranks = [group | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    processes = [Interpreter(*arguments, env=os.environ | rank) for rank in ranks]
    return [process.wait() for process in processes]


def _become(command: list[str], cwd: str, env: dict[str, str], written: str) -> None:
    """Leave nothing of the test's process behind, and be the program that the command names."""
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(written, name), os.O_WRONLY | os.O_CREAT, 0o600), descriptor)
    multiprocessing.set_start_method(None, force=True)  # else data workers would be children of the server
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:] = [folder for folder in sys.path if folder.startswith((sys.prefix, sys.base_prefix))]
    isolated = command[0] == "-I"
    kind, *rest = command[isolated:]
    if not isolated:
        first = str(Path(kind).parent.resolve()) if kind not in ("-c", "-m") else ""
        sys.path[:0] = [first, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    try:
        _execute(kind, rest)
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends a process without them


def _execute(kind: str, rest: list[str]) -> None:
    if kind == "-c":
        sys.argv = [kind, *rest[1:]]
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), main.__dict__)
    elif kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")
