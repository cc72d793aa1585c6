"""Evaluate a tiny model under torchrun; rank 0 writes what it got. Run by tests/test_evaluation.py."""

import json
import sys

import torch.distributed as dist
from tiny_segmentation import evaluate_segmentation, tiny_model, tiny_samples


def main():
    dist.init_process_group("gloo")

    def reduce(tensor):
        dist.all_reduce(tensor)
        return tensor

    results = evaluate_segmentation(
        tiny_model(),
        tiny_samples(5),  # two ranks take 3 and 2
        short_side=32,
        share={"rank": dist.get_rank(), "world_size": dist.get_world_size(), "reduce": reduce},
    )
    if dist.get_rank() == 0:
        with open(sys.argv[1], "w") as file:
            json.dump(results, file)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
