"""What a compiled library asks of the machine that loads it, beyond what every user of the Hub's kernels has.

The dynamic symbols are read: the loader needs them, so stripping a library leaves them.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

# manylinux_2_28: the newest version of each set of symbols that a kernel of the Hub may ask for.
NEWEST = {"GLIBC": (2, 28), "GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0)}
SYSTEM = re.compile(r"(ld-linux-x86-64|libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+)\.so\.\d+")
TORCH = re.compile(r"libtorch(_cpu|_cuda)?\.so")
STABLE = re.compile(r"aoti_torch_\w+|torch_[a-z]\w*")  # the C interface that torch promises to keep


def machine_needs(library: Path) -> list[str]:
    """List what a library needs beyond manylinux_2_28 and torch's stable interface: nothing if portable.

    Args:
        library: A shared library, stripped or not.

    Returns:
        Such as "exp@GLIBC_2.29" and "libfoo.so.1", in the library's own order.

    Raises:
        FileNotFoundError: There is no `readelf` to read it with.
        ValueError: It is not a shared library.
    """
    symbols = [name for line in _read(library, "--dyn-syms") if (name := _undefined(line))]
    dynamic = _read(library, "-d")
    if not any(line.startswith("Dynamic section") for line in dynamic):
        raise ValueError(f"{library} must be a shared library; build the kernel again")
    libraries = [found[1] for line in dynamic if (found := re.search(r"\(NEEDED\).*\[(.+)\]", line))]
    wrong = [symbol for symbol in symbols if not _is_promised(symbol)]
    return wrong + [name for name in libraries if not (SYSTEM.fullmatch(name) or TORCH.fullmatch(name))]


def _undefined(line: str) -> str | None:
    """Give the symbol of a line of readelf that another library must define, such as "exp@GLIBC_2.29"."""
    fields = line.split()
    if len(fields) < 8 or fields[6] != "UND" or (fields[4] == "WEAK" and "@" not in fields[7]):
        return None  # defined here, or not needed
    return fields[7]


def _is_promised(symbol: str) -> bool:
    name, _, version = symbol.partition("@")
    found = re.fullmatch(r"([A-Z]+)_([\d.]+)", version)
    if found:
        return tuple(map(int, found[2].split("."))) <= NEWEST.get(found[1], ())
    return bool(STABLE.fullmatch(name))


def _read(library: Path, *options: str) -> list[str]:
    readelf = shutil.which("readelf")
    if readelf is None:
        raise FileNotFoundError(
            "readelf was not found, so nothing can say on which machines the kernel loads; install binutils"
        )
    done = subprocess.run(
        [readelf, "-W", *options, str(library)],
        capture_output=True,
        text=True,
        env=os.environ | {"LC_ALL": "C"},
    )
    if done.returncode != 0:
        raise ValueError(f"{library} must be a shared library: {done.stderr.strip()}")
    return done.stdout.splitlines()
