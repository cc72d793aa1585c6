"""This processor's own limit for a call: the larger of its arithmetic and its memory time."""

import ctypes
import subprocess
from pathlib import Path

from baseline import CHANNELS, EMBEDDING, KERNEL_SIZE, SEGFORMER_B1_MAPS


def compile_limits(compiler, folder):
    """Compile limits.cpp and give its two functions as rates of `threads` threads."""
    library = Path(folder) / "limits.so"
    source = Path(__file__).with_name("limits.cpp")
    command = [compiler, "-O2", "-std=c++17", "-fPIC", "-shared", "-pthread", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    functions = ctypes.CDLL(str(library))
    functions.flops_per_second.restype = functions.bytes_per_second.restype = ctypes.c_double
    return (
        lambda threads: functions.flops_per_second(threads),
        lambda threads: functions.bytes_per_second(threads, ctypes.c_int64(64 << 20)),
    )


def limit_seconds(batch, element_size, backward, flops, bandwidth):
    """Sum the limits of the six calls.

    Per map position the forward pass needs 200 (d + C) operations and moves 4 d + d + C + 4 C elements, the
    backward pass 200 (3 d + 2 C) and, beside the forward's elements, its three gradients.
    """
    taps, total = KERNEL_SIZE**2, 0.0
    for side in SEGFORMER_B1_MAPS:
        positions = batch * side * side
        operations = 8 * taps * (3 * EMBEDDING + 2 * CHANNELS if backward else EMBEDDING + CHANNELS)
        elements = 5 * EMBEDDING + 5 * CHANNELS + (5 * EMBEDDING + CHANNELS if backward else 0)
        total += positions * max(operations / flops, elements * element_size / bandwidth)
    return total
