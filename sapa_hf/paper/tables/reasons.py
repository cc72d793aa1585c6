"""Why a printed figure is not the plain count, and what it then is: a formula, where one is known."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from .counts import count_sites
from .published import UNITS, Figure
from .sites import HOSTS, Site


@dataclass(frozen=True)
class Case:
    """What a reason may look at: a figure, where it stands, and the count of its row.

    Attributes:
        host: Key of `HOSTS`.
        upsampler: The row.
        embedding_dim: d.
        figure: What is printed.
        parameters: True for parameters, False for multiply-adds.
        counted: The plain count, in parameters or multiply-adds; None if there is none.
    """

    host: str
    upsampler: str
    embedding_dim: int
    figure: Figure
    parameters: bool
    counted: int | None

    @property
    def sites(self) -> tuple[Site, ...]:
        """The model's steps."""
        return HOSTS[self.host].sites


def shared_query(case: Case) -> int:
    """Count SAPA-G as Table 1 does: SAPA-B, the gate's C weights, C + 5d multiply-adds a position."""
    base, dim = count_sites(case.host, "sapa-b", case.embedding_dim), case.embedding_dim
    if case.parameters:
        return base.parameters + sum(site.feature_channels for site in case.sites)
    return base.multiply_adds + sum(site.positions * (site.feature_channels + 5 * dim) for site in case.sites)


def shared_query_weights(case: Case) -> int:
    """Count SAPA-G's parameters by Table 1 alone, 2 C d + C: no biases, no normalisation."""
    return sum(
        (site.guide_channels + site.feature_channels) * case.embedding_dim + site.feature_channels
        for site in case.sites
    )


def gate_mixing(case: Case) -> int:
    """Add FADE's mixing by its gate: two products for every output element."""
    return case.counted + sum(2 * 4 * site.positions * site.feature_channels for site in case.sites)


def rounded_first(case: Case) -> Decimal:
    """Round to two digits, before it is doubled or rounded once more."""
    return _digits(case, case.counted, Decimal("0.01"), ROUND_HALF_UP)


def cut_off(case: Case, amount: int | None = None) -> Decimal:
    """Leave digits out, in place of rounding."""
    digit = Decimal(1).scaleb(Decimal(case.figure.printed).as_tuple().exponent)
    return _digits(case, case.counted if amount is None else amount, digit, ROUND_DOWN)


def _digits(case: Case, amount: int, digit: Decimal, rounding: str) -> Decimal:
    unit = UNITS[case.figure.unit]
    return (Decimal(amount) / unit).quantize(digit, rounding) * unit


def dysample_weights(case: Case) -> int:
    """Count DySample's 32 C weights, without its 32 biases."""
    return sum(32 * site.feature_channels for site in case.sites)


def per_guide(square: int, linear: int, constant: int) -> Callable[[Case], int]:
    """Make a formula that sums square * C^2 + linear * C + constant over the steps, C being the guide's."""

    def amount(case: Case) -> int:
        widths = (site.guide_channels for site in case.sites)
        return sum(square * width**2 + linear * width + constant for width in widths)

    return amount


def plus(extra: int) -> Callable[[Case], int]:
    """Make a formula that adds a fixed number to the count."""
    return lambda case: case.counted + extra


@dataclass(frozen=True)
class Reason:
    """Why a figure differs.

    Attributes:
        text: The reason.
        amount: What the figure is by this reason, in parameters or multiply-adds; None where nothing that we
            know gives the figure.
    """

    text: str
    amount: Callable[[Case], int | Decimal] | None = None


REASONS = {
    "shared-query": Reason(
        "one query projection for guide and feature, where Eq. 8 and the released code have two (SAPA-B's "
        "count, and C parameters, C + 5d multiply-adds a position)",
        shared_query,
    ),
    "shared-query-weights": Reason(
        "one query projection for guide and feature, where Eq. 8 and the released code have two (Table 1's "
        "2Cd + C, weights alone)",
        shared_query_weights,
    ),
    "output-grid": Reason(
        "counted as if all ran at the output's four pixels a position", lambda case: 4 * case.counted
    ),
    "output-grid-shared-query": Reason(
        "counted at the output's four pixels a position, with one query projection for guide and feature",
        lambda case: 4 * shared_query(case),
    ),
    "down-branch": Reason(
        "A2U with its downsampling branch, which upsampling does not run: 78C + 74, not 42C + 38",
        per_guide(0, 78, 74),
    ),
    "matting-index": Reason(
        "IndexNet's other form, one block for each of the four indices and twice as wide: 136C² + 16C, not "
        "32C² + 12C",
        per_guide(136, 16, 0),
    ),
    "unused-segmenter": Reason(
        "with the 128 -> 150 classifier that mmsegmentation makes and SegFormer's head never runs, 19,350 "
        "parameters",
        plus(128 * 150 + 150),
    ),
    "unused-classifier": Reason(
        "with torchvision's ImageNet classifier, which BTS never runs, 2,049,000 parameters",
        plus(2048 * 1000 + 1000),
    ),
    "gate-mixing": Reason("with the products of FADE's gate, two for every output element", gate_mixing),
    "rounded-first": Reason("rounded to two digits before it was doubled or rounded again", rounded_first),
    "cut-off": Reason("cut off, not rounded", cut_off),
    "weights": Reason("weights alone, without the biases", dysample_weights),
    "weights-cut-off": Reason(
        "weights alone, without the biases, and cut off", lambda case: cut_off(case, dysample_weights(case))
    ),
    "row-of-deconvolution": Reason(
        "the deconvolution's parameters stand in this row: a 3 x 3 convolution to 4C channels has four times "
        "as many, as the row's own FLOPs say",
        lambda case: count_sites(case.host, "deconv", case.embedding_dim).parameters,
    ),
    "whole-model-flops": Reason(
        "0.2 per cent above all matrix products and convolutions of the model; which normalisations, biases "
        "or activations were counted besides is not known"
    ),
    "last-digit": Reason("one unit of the last digit above 32C² + 12C, which gives all other IndexNet rows"),
    "carafe-of-the-seed": Reason(
        "neither the multiply-adds nor twice them, at either grid; the final version has the multiply-adds"
    ),
    "matting-a2u": Reason("neither 42C + 38 (21.7 K) nor, with the downsampling branch, 78C + 74 (40.2 K)"),
    "matting-flops": Reason("at 512 x 512 the network has 52.56 G, and no usual size gives this"),
    "matting-index-flops": Reason(
        "the form with four blocks and twice the width would take twice this; with the plain width, 1 per "
        "cent more"
    ),
    "sampled-reads": Reason(
        "bilinear reads are left out of our count; a multiply-add for each of a read's four neighbours makes "
        "it 4.48 G, two make it 5.28 G"
    ),
    "other-counter": Reason(
        "counted by another tool, which takes more than products and convolutions for multiply-adds"
    ),
    "not-built": Reason("the model as a whole is not built here: only what is added is counted"),
}
