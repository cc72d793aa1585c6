"""The document: a summary, Table 1, each version's Tables 2 and 3, and later papers' rows."""

from collections.abc import Iterator
from decimal import Decimal

from sapa_hf.markdown import bullets, markdown_table, paragraph

from . import table_1
from .comparison import Comparison, Mark, compare, shown
from .counts import PROJECTED
from .published import TABLES, Figure, Table
from .sites import HOSTS

COMMAND = "python scripts/tables.py --output docs/tables.md"
VERSIONS = {
    "seed": "First version (anonymous)",
    "final": "Final version (camera-ready)",
    "later": "Later papers",
}
ABOUT = (
    "Printed figures of the SAPA paper (NeurIPS 2022) and of later papers on the same models, beside what "
    "this project's modules count. Multiply-adds are those of matrix products and convolutions for one "
    "image. What the papers call FLOPs are multiply-adds (MAC), but for some figures of the first version, "
    "which are twice that (2 MAC). SegFormer and BTS are counted whole; of the other models the upsamplers "
    "are, at the places where the papers put them. Of the first version those figures are on record that "
    "differ from the final ones; the others are taken to be the same.",
    "Marks: ✓ counting gives the printed digits; (✓) it does not, but the reason below the table is a "
    "formula that does; ✗ not reproduced; none: the model is not built here, or no figure is on record.",
)
Rows = list[tuple[Comparison, Comparison]]


def render(version: str = "both") -> str:
    """Write all tables as Markdown.

    Args:
        version: "seed" or "final" for one version's Tables 2 and 3, or "both".
    """
    chosen = ("seed", "final", "later") if version == "both" else (version, "later")
    compared = {
        name: [(table, list(compare(table))) for table in TABLES if table.version == name] for name in chosen
    }
    option = "" if version == "both" else f" --edition {version}"
    parts = ["# Complexity: the paper's tables, counted", f"Written by `{COMMAND}{option}`; not by hand."]
    parts += [*map(paragraph, ABOUT), _summary(compared), *_table_1()]
    for name, tables in compared.items():
        parts.append(f"## {VERSIONS[name]}")
        for table, rows in tables:
            parts += [*_heading(table), _table(rows), *_notes(rows)]
    return "\n\n".join(parts) + "\n"


def _summary(compared: dict[str, list[tuple[Table, Rows]]]) -> str:
    """Count the marks of each version."""
    header = ["printed figures", "all", *(mark.value for mark in Mark if mark.value), "not built"]
    lines = []
    for name, tables in compared.items():
        cells = [cell for _, rows in tables for row in rows for cell in row]
        marks = [cell.mark for cell in cells if cell.figure]
        lines.append([VERSIONS[name], str(len(marks)), *(str(marks.count(mark)) for mark in Mark)])
    return markdown_table(header, lines)


def _heading(table: Table) -> Iterator[str]:
    host = HOSTS[table.host]
    version = "" if table.version == "later" else f", {table.version} version"
    yield f"### {table.name}{version.replace('seed', 'first')}: {host.title}"
    size = "{} x {}".format(*host.size)
    how = "the model counted whole" if host.build else "its upsamplers alone"
    dim = f", d = {table.embedding_dim}" if set(table.rows) & set(PROJECTED) else ""
    yield paragraph(f"{size}, {how}{dim}, K = 5. {host.remark} Source: {table.source}.")


def _table(rows: Rows) -> str:
    header = ["upsampler", "FLOPs, printed", "as", "counted", "", "parameters, printed", "counted", ""]
    lines = []
    for flops, parameters in rows:
        doubled = flops.figure is not None and flops.figure.doubled
        unit = "" if flops.counted is None else "2 MAC" if doubled else "MAC"
        lines.append(
            [
                flops.upsampler,
                *(_printed(flops.figure), unit, _amount(flops, flops.counted), flops.mark.value),
                *(_printed(parameters.figure), _amount(parameters, parameters.counted)),
                parameters.mark.value,
            ]
        )
    return markdown_table(header, lines)


def _printed(figure: Figure | None) -> str:
    return f"{figure.printed} {figure.unit}" if figure else "-"


def _amount(cell: Comparison, amount: int | Decimal | None) -> str:
    """Show an amount as the printed figure is, with digits enough to see how it rounds."""
    if amount is None:
        return "-"
    figure = cell.figure or Figure("0.00", "M" if cell.parameters else "G")
    digits = max(0, -Decimal(figure.printed).as_tuple().exponent) + 2
    return f"{shown(amount, figure):.{digits}f} {figure.unit}"


def _notes(rows: Rows) -> Iterator[str]:
    """Say for every cell without a plain tick why; cells of one reason and mark share a point."""
    cells = [cell for row in rows for cell in row if cell.reason and cell.mark is not Mark.NOTHING]
    points = []
    for reason, mark in dict.fromkeys((cell.reason, cell.mark) for cell in cells):
        mine = [cell for cell in cells if (cell.reason, cell.mark) == (reason, mark)]
        names = [f"{cell.upsampler} {_printed(cell.figure)}" for cell in mine]
        if mark is Mark.EXPLAINED:
            amounts = [_amount(cell, cell.explained) for cell in mine]
            given = ", ".join(f"{name} ≈ {amount}" for name, amount in zip(names, amounts, strict=True))
            points.append(f"(✓) {given}: {reason.text}.")
        else:
            points.append(f"✗ {', '.join(names)}: not reproduced; {reason.text}.")
    if points:
        yield bullets(points)


def _table_1() -> Iterator[str]:
    yield "## Table 1: a low-resolution position"
    yield paragraph((table_1.__doc__ or "").split("\n\n", 1)[1].replace("\n", " ").strip())
    for title, rows in (("the paper's upsamplers", table_1.ROWS), ("the others here", table_1.OTHERS)):
        for parameters in (False, True):
            cells = list(table_1.compare_rows(rows, parameters))
            yield f"### {'Parameters' if parameters else 'Multiply-adds'}, {title}"
            yield _formulas(rows, cells, parameters)
            points = [
                f"(✓) {cell.upsampler}, {cell.entry.ours.text} = {cell.counted:,}: {cell.entry.why}."
                for cell in cells
                if cell.mark is Mark.EXPLAINED
            ]
            if points:
                yield bullets(points)


def _formulas(rows: dict[str, table_1.Row], cells: list[table_1.Comparison], parameters: bool) -> str:
    totals = not parameters and any(row.printed for row in rows.values())
    header = ["upsampler", "formula", "its value", *["x 2", "printed", ""] * totals, "counted", ""]
    lines = []
    for cell in cells:
        line = [cell.upsampler, cell.entry.formula.text, f"{cell.evaluated:,}"]
        if totals:
            row = rows[cell.upsampler]
            line += [f"{2 * cell.evaluated:,}", _printed(row.printed), table_1.total_mark(row).value]
        lines.append([*line, f"{cell.counted:,}", cell.mark.value])
    return markdown_table(header, lines, left=2)
