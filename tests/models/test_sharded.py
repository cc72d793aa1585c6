"""Models whose every module is an FSDP2 unit of its own, on two processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from model_contract import SERVING

from sapa_hf.modeling import UPSAMPLERS

ONE_OF_EACH = list({UPSAMPLERS[name].module: name for name in SERVING}.values())  # class of upsampler


@pytest.mark.slow
def test_every_module_as_a_shard_of_its_own_computes_the_same():
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, str(tests / "sharded_ranks.py")],
        env=dict(os.environ, PYTHONPATH=str(tests), CUDA_VISIBLE_DEVICES=""),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for upsampler in ONE_OF_EACH:
        assert f"TestSapaSegformer {upsampler} agrees" in done.stdout
