"""Table 1: what an upsampler costs for each low-resolution position, by formula and by counting.

C is the channels of guide and feature, d the embedding dimension (CARAFE and FADE compress to 64), K the
window, 3 for A2U; the values are for C = 256, d = 64, K = 5. The paper prints four totals, as FLOPs that are
twice the multiply-adds. On record are these totals, what SAPA-G adds to SAPA-B, and the parameters of
IndexNet and A2U; the other formulas are forms that give the totals.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import torch

from sapa_hf.complexity import Cost, count_upsampler
from sapa_hf.modeling import build_upsampler

from .comparison import Mark, agrees
from .published import Figure

CHANNELS, EMBEDDING_DIM, SIDE = 256, 64, 1024  # of a map so large that what runs once an image rounds to 0


@dataclass(frozen=True)
class Formula:
    """A formula as text and as a function of C, d and K."""

    text: str
    value: Callable[[int, int, int], int]


@dataclass(frozen=True)
class Entry:
    """One quantity of one upsampler.

    Attributes:
        formula: As the paper has it; where its totals are all that is on record, a form that gives them.
        why: Why the module counts otherwise; empty where it does not.
        ours: The formula of what is counted, where it is another.
    """

    formula: Formula
    why: str = ""
    ours: Formula | None = None


@dataclass(frozen=True)
class Row:
    """An upsampler: multiply-adds a position, parameters, and the total that the paper prints."""

    multiply_adds: Entry
    parameters: Entry
    printed: Figure | None = None
    kernel_size: int = 5


ROWS = {
    "carafe": Row(
        Entry(Formula("64C + 36·64K² + 4K²C", lambda c, d, k: 64 * c + 36 * 64 * k**2 + 4 * k**2 * c)),
        Entry(
            Formula("64C + 36·64K²", lambda c, d, k: 64 * c + 36 * 64 * k**2),
            "the biases, 64 + 4K²",
            Formula("64C + 36·64K² + 64 + 4K²", lambda c, d, k: 64 * c + 36 * 64 * k**2 + 64 + 4 * k**2),
        ),
        Figure("199", "K", doubled=True),
    ),
    "indexnet": Row(
        Entry(
            Formula("128C² + 512C", lambda c, d, k: 128 * c**2 + 512 * c),
            "the total is four times the parameters, as if the convolutions ran at each of a position's four "
            "pixels (and has 128C for 12C); they run once, and Table 2 counts them so",
            Formula("32C² + 12C", lambda c, d, k: 32 * c**2 + 12 * c),
        ),
        Entry(
            Formula("32C² + 128C", lambda c, d, k: 32 * c**2 + 128 * c),
            "128C must be 12C: Table 2's parameters are 32C² + 12C",
            Formula("32C² + 12C", lambda c, d, k: 32 * c**2 + 12 * c),
        ),
        Figure("17", "M", doubled=True),
    ),
    "a2u": Row(
        Entry(
            Formula("6K²C + C + 4K²", lambda c, d, k: 6 * k**2 * c + c + 4 * k**2),
            "the two filters are 2K x 2K, four times the 2K²C in the total; this is also what Table 2 counts",
            Formula("12K²C + C + 4K²", lambda c, d, k: 12 * k**2 * c + c + 4 * k**2),
        ),
        Entry(
            Formula("4K²C + 2C", lambda c, d, k: 4 * k**2 * c + 2 * c),
            "the normalisations, 4C, and the biases, 4K² + 2",
            Formula("4K²C + 6C + 4K² + 2", lambda c, d, k: 4 * k**2 * c + 6 * c + 4 * k**2 + 2),
        ),
        Figure("28", "K", doubled=True),
        kernel_size=3,
    ),
    "sapa-i": Row(
        Entry(Formula("8K²C", lambda c, d, k: 8 * k**2 * c)),
        Entry(Formula("0", lambda c, d, k: 0)),
    ),
    "sapa-b": Row(
        Entry(Formula("5Cd + 4K²(C + d)", lambda c, d, k: 5 * c * d + 4 * k**2 * (c + d))),
        Entry(
            Formula("2Cd", lambda c, d, k: 2 * c * d),
            "the normalisations, 4C, and the biases, 2d",
            Formula("2Cd + 4C + 2d", lambda c, d, k: 2 * c * d + 4 * c + 2 * d),
        ),
        Figure("228", "K", doubled=True),
    ),
    "sapa-g": Row(
        Entry(
            Formula("5Cd + 4K²(C + d) + C + 5d", lambda c, d, k: 5 * c * d + 4 * k**2 * (c + d) + c + 5 * d),
            "a query projection of its own for the feature, Cd, as Eq. 8 and the release have; the gate's "
            "mixing, 5d, is not counted",
            Formula("6Cd + 4K²(C + d) + C", lambda c, d, k: 6 * c * d + 4 * k**2 * (c + d) + c),
        ),
        Entry(
            Formula("2Cd + C", lambda c, d, k: 2 * c * d + c),
            "that projection, Cd, the normalisations, 4C, and the biases, 3d + 1",
            Formula("3Cd + 5C + 3d + 1", lambda c, d, k: 3 * c * d + 5 * c + 3 * d + 1),
        ),
    ),
}
# Not in the paper's table; the formulas are ours.
OTHERS = {
    "deconv": Row(
        Entry(Formula("9C²", lambda c, d, k: 9 * c**2)),
        Entry(Formula("9C² + C", lambda c, d, k: 9 * c**2 + c)),
    ),
    "pixel_shuffle": Row(
        Entry(Formula("36C²", lambda c, d, k: 36 * c**2)),
        Entry(Formula("36C² + 4C", lambda c, d, k: 36 * c**2 + 4 * c)),
    ),
    "fade": Row(
        Entry(
            Formula(
                "5·64C + 5·9·64K² + C + 4K²C",
                lambda c, d, k: 5 * 64 * c + 5 * 9 * 64 * k**2 + c + 4 * k**2 * c,
            )
        ),
        Entry(
            Formula(
                "2·64C + 64 + 9·64K² + K² + C + 1",
                lambda c, d, k: 2 * 64 * c + 64 + 9 * 64 * k**2 + k**2 + c + 1,
            )
        ),
    ),
    "dysample": Row(
        Entry(Formula("32C", lambda c, d, k: 32 * c)), Entry(Formula("32C + 32", lambda c, d, k: 32 * c + 32))
    ),
    "sapa-d": Row(
        Entry(
            Formula("5·128C + 288C + 4·9(128 + C)", lambda c, d, k: 5 * 128 * c + 288 * c + 36 * (128 + c)),
        ),
        Entry(Formula("2·128C + 288C + 544", lambda c, d, k: 2 * 128 * c + 288 * c + 544)),
    ),
}


@dataclass(frozen=True)
class Comparison:
    """A formula's value and what the module counts, with the tick that follows."""

    upsampler: str
    entry: Entry
    evaluated: int
    counted: int
    mark: Mark


@cache
def count_position(upsampler: str) -> Cost:
    """Count a module: its parameters, and its multiply-adds for one low-resolution position."""
    with torch.device("meta"):
        module = build_upsampler(upsampler, CHANNELS, CHANNELS, embedding_dim=EMBEDDING_DIM)
    cost = count_upsampler(module, (CHANNELS, 2 * SIDE, 2 * SIDE), (CHANNELS, SIDE, SIDE))
    return Cost(cost.parameters, round(cost.multiply_adds / SIDE**2))


def compare_rows(rows: dict[str, Row], parameters: bool) -> Iterator[Comparison]:
    """Set every formula against its module, in multiply-adds a position or in parameters."""
    for upsampler, row in rows.items():
        entry = row.parameters if parameters else row.multiply_adds
        cost = count_position(upsampler)
        counted = cost.parameters if parameters else cost.multiply_adds
        evaluated, ours = (
            formula and formula.value(CHANNELS, EMBEDDING_DIM, row.kernel_size)
            for formula in (entry.formula, entry.ours)
        )
        mark = Mark.NOT_REPRODUCED
        if counted == evaluated:
            mark = Mark.COUNTED
        elif counted == ours:
            mark = Mark.EXPLAINED
        yield Comparison(upsampler, entry, evaluated, counted, mark)


def total_mark(row: Row) -> Mark:
    """Say whether twice the formula's value is the total that the paper prints."""
    if row.printed is None:
        return Mark.NOTHING
    value = row.multiply_adds.formula.value(CHANNELS, EMBEDDING_DIM, row.kernel_size)
    return Mark.COUNTED if agrees(row.printed, value) else Mark.NOT_REPRODUCED
