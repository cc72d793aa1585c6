"""Printed figures against counts: the tick is computed."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from .counts import count_row
from .published import UNITS, Figure, Table
from .reasons import REASONS, Case, Reason


class Mark(str, Enum):
    """How a printed figure and our count stand to each other."""

    COUNTED = "✓"
    EXPLAINED = "(✓)"
    NOT_REPRODUCED = "✗"
    NOTHING = ""


@dataclass(frozen=True)
class Comparison:
    """A cell of a table.

    Attributes:
        upsampler: The row.
        parameters: True for the column of parameters, False for FLOPs.
        figure: What is printed; None if nothing is, or if it is not on record.
        counted: Our count, in parameters or multiply-adds; None for a model that is not built here.
        explained: What the figure's reason makes of it, where that is a formula.
        mark: The tick.
    """

    upsampler: str
    parameters: bool
    figure: Figure | None
    counted: int | None
    explained: Decimal | None
    mark: Mark

    @property
    def reason(self) -> Reason | None:
        """Why the figure is not our count; None where it is."""
        why = self.figure.why if self.figure and self.mark is not Mark.COUNTED else None
        return REASONS[why] if why else None


def shown(amount: int | Decimal, figure: Figure) -> Decimal:
    """Express an amount as the figure is: in its unit, multiply-adds doubled where it doubles them."""
    return Decimal(amount) * (2 if figure.doubled else 1) / UNITS[figure.unit]


def agrees(figure: Figure, amount: int | Decimal) -> bool:
    """Say whether an amount, rounded to the figure's digits, is what is printed; a half goes either way."""
    printed = Decimal(figure.printed)
    half = Decimal(5).scaleb(printed.as_tuple().exponent - 1)
    return abs(shown(amount, figure) - printed) <= half


def compare(table: Table) -> Iterator[tuple[Comparison, Comparison]]:
    """Give a table's rows, each as its cells for FLOPs and for parameters."""
    for upsampler, figures in table.rows.items():
        cost = count_row(table.host, upsampler, table.embedding_dim)
        counts = (cost.multiply_adds, cost.parameters) if cost else (None, None)
        yield tuple(
            compare_figure(table, upsampler, is_parameters, figure, counted)
            for is_parameters, figure, counted in zip((False, True), figures, counts, strict=True)
        )


def compare_figure(
    table: Table, upsampler: str, parameters: bool, figure: Figure | None, counted: int | None
) -> Comparison:
    """Set one figure against our count and, if that differs, against what its reason gives."""
    explained, mark = None, Mark.NOTHING
    if figure and counted is not None:
        reason = REASONS[figure.why] if figure.why else None
        if agrees(figure, counted):
            mark = Mark.COUNTED
        else:
            if reason and reason.amount:
                case = Case(table.host, upsampler, table.embedding_dim, figure, parameters, counted)
                explained = Decimal(reason.amount(case))
            settled = explained is not None and agrees(figure, explained)
            mark = Mark.EXPLAINED if settled else Mark.NOT_REPRODUCED
    return Comparison(upsampler, parameters, figure, counted, explained, mark)
