"""Counting an upsampler in every place where a model has it."""

from functools import cache

import torch

from sapa_hf.complexity import Cost, count_model, count_upsampler, count_upsamplers
from sapa_hf.modeling import build_upsampler

from .sites import HOSTS

PROJECTED = ("sapa-b", "sapa-g", "sapa-p")  # what has a d to choose


def count_row(host: str, upsampler: str, embedding_dim: int) -> Cost | None:
    """Count what a row of a table adds to the model, or the model itself for the row of its baseline.

    Args:
        host: Key of `HOSTS`.
        upsampler: Name for `build_upsampler`.
        embedding_dim: d of SAPA's variants.

    Returns:
        None for the baseline of a model that cannot be built here.
    """
    return _count(host, upsampler, embedding_dim if upsampler in PROJECTED else 64)


@cache
def _count(host: str, upsampler: str, embedding_dim: int) -> Cost | None:
    model = HOSTS[host]
    if not model.build:
        return None if upsampler == model.baseline else count_sites(host, upsampler, embedding_dim)
    with torch.device("meta"):  # nothing is computed, nothing is stored
        built = model.build(upsampler, embedding_dim)
    if upsampler == model.baseline:
        return count_model(built, *model.size).model
    return sum(count_upsamplers(built, *model.size).values(), Cost(0, 0))


def count_sites(host: str, upsampler: str, embedding_dim: int) -> Cost:
    """Count an upsampler at a model's steps, each with its own weights; arguments as `count_row`."""
    total = Cost(0, 0)
    with torch.device("meta"):
        for site in HOSTS[host].sites:
            module = build_upsampler(
                upsampler, site.guide_channels, site.feature_channels, embedding_dim=embedding_dim
            )
            total = total + count_upsampler(module, site.guide, site.feature)
    return total
