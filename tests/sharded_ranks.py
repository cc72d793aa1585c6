"""Shard every module of every model under torchrun and compare. Run by tests/models/test_sharded.py."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from wrapping_contract import sharding_units

sys.path.insert(0, str(Path(__file__).parent / "models"))

from test_bts import TestSapaBts
from test_glpn import TestSapaGlpn
from test_segformer import TestSapaSegformer
from test_segnet import TestSapaSegNet
from test_sharded import ONE_OF_EACH
from test_upernet import TestSapaUperNet


def main():
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for contract, upsamplers in (
        (TestSapaBts(), ["nearest", "sapa-g"]),
        (TestSapaGlpn(), ["bilinear", "sapa-g"]),
        (TestSapaSegNet(), ["max_unpool", "sapa-g"]),
        (TestSapaUperNet(), ["bilinear", "sapa-g"]),
        (TestSapaSegformer(), ONE_OF_EACH),
    ):
        for upsampler in upsamplers:
            torch.manual_seed(0)
            model, images = contract.scattered(upsampler), contract.images(1)
            expected = contract.predict(model, images)
            units = sharding_units(model)
            if upsampler not in ("bilinear", "nearest"):  # the encoder's units once a model
                heads = [model.get_submodule(head) for head in contract.heads]
                units = [unit for head in heads for unit in sharding_units(head)] + [model]
            for module in units:
                fully_shard(module, mesh=mesh)
            output = contract.predict(model, images)
            torch.testing.assert_close(output, expected, msg=lambda text, u=upsampler: f"{u}: {text}")
            if dist.get_rank() == 0:
                print(type(contract).__name__, upsampler, "agrees", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
