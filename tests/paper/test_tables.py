"""The paper's tables: what is counted, what is printed, and that the ticks between them are earned."""

import dataclasses
from decimal import Decimal
from pathlib import Path

import pytest
import torch

from sapa_hf.complexity import Cost
from sapa_hf.markdown import markdown_table
from sapa_hf.modeling import UPSAMPLERS
from sapa_hf.paper.tables import HOSTS, TABLES, Figure, Mark, agrees, compare, table_1
from sapa_hf.paper.tables.comparison import compare_figure
from sapa_hf.paper.tables.counts import count_row, count_sites
from sapa_hf.paper.tables.reasons import REASONS
from sapa_hf.scripts.tables import main

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow  # half a minute together: every network of the paper is built

# Exact counts: (host, upsampler, d) -> parameters, multiply-adds.
COUNTS = {
    ("segformer-b1", "bilinear", 64): (13_715_798, 15_878_062_080),
    ("segformer-b1", "carafe", 64): (444_888, 1_453_129_728),
    ("segformer-b1", "indexnet", 64): (12_601_344, 30_646_468_608),
    ("segformer-b1", "a2u", 64): (64_740, 407_866_368),
    ("segformer-b1", "sapa-i", 64): (0, 747_110_400),
    ("segformer-b1", "sapa-b", 64): (203_520, 1_662_320_640),
    ("segformer-b1", "sapa-b", 32): (104_832, 1_017_937_920),
    ("segformer-b1", "sapa-g", 64): (303_750, 1_905_131_520),
    ("segformer-b1", "sapa-g", 32): (155_718, 1_141_211_136),
    ("segformer-b1", "deconv", 64): (3_540_480, 8_606_711_808),
    ("segformer-b1", "pixel_shuffle", 64): (14_161_920, 34_426_847_232),
    ("segformer-b1", "fade", 64): (285_084, 2_623_291_392),
    ("segformer-b1", "dysample", 64): (49_344, 119_537_664),
    ("segformer-b1", "sapa-d", 64): (838_848, 3_668_312_064),
    ("maskformer", "nearest", 64): (101_831_439, 188_328_320_000),
    ("mask2former", "bilinear", 64): (106_924_239, 217_123_379_200),
    ("maskformer", "carafe", 64): (222_444, 836_505_600),
    ("maskformer", "indexnet", 64): (6_300_672, 17_641_881_600),
    ("maskformer", "a2u", 64): (32_370, 234_778_944),
    ("maskformer", "sapa-b", 64): (101_760, 956_928_000),
    ("maskformer", "sapa-b", 32): (52_416, 585_984_000),
    ("mask2former", "carafe", 64): (74_148, 637_337_600),
    ("mask2former", "indexnet", 64): (2_100_224, 13_441_433_600),
    ("mask2former", "sapa-i", 64): (0, 327_680_000),
    ("bts", "nearest", 64): (47_481_968, 109_090_982_400),
    ("bts", "carafe", 64): (411_280, 2_174_131_200),
    ("bts", "indexnet", 64): (44_193_536, 32_759_808_000),
    ("bts", "sapa-b", 64): (308_864, 1_733_606_400),
    ("bts", "sapa-g", 64): (492_164, 2_013_158_400),
    ("bts", "sapa-g", 32): (252_164, 1_223_769_600),
    ("matting", "bilinear", 64): (8_049_003, 52_564_131_840),
    ("matting", "carafe", 64): (263_824, 6_002_311_168),
    ("matting", "a2u", 64): (21_656, 660_383_744),
    ("matting", "fade", 64): (124_008, 8_805_220_352),
}
# Figures that a plain count does not give, by why; every other figure of a model of ours must have its tick.
EXPLAINED = {
    "cut-off": 1,
    "down-branch": 6,
    "gate-mixing": 3,
    "matting-index": 3,
    "output-grid": 3,
    "output-grid-shared-query": 1,
    "rounded-first": 3,
    "row-of-deconvolution": 1,
    "shared-query": 14,
    "shared-query-weights": 1,
    "unused-classifier": 2,
    "unused-segmenter": 3,
    "weights": 1,
    "weights-cut-off": 1,
}
NOT_REPRODUCED = {
    ("seed", "segformer-b1", "bilinear", "15.91"),
    ("seed", "segformer-b1", "carafe", "1.83"),
    ("seed", "mask2former", "carafe", "6.02"),
    ("seed", "bts", "indexnet", "44.20"),
    *((version, "maskformer", "nearest", "195") for version in ("seed", "final")),
    *((version, "mask2former", "bilinear", "223") for version in ("seed", "final")),
    ("final", "segformer-b1", "bilinear", "15.91"),
    ("final", "bts", "indexnet", "44.20"),
    ("later", "segformer-b1", "bilinear", "15.91"),
    ("later", "segformer-b1", "sapa-d", "5.3"),
    ("later", "matting", "bilinear", "8.61"),
    ("later", "matting", "indexnet", "31.70"),
    ("later", "matting", "a2u", "38"),
}


@pytest.fixture(scope="module")
def cells():
    """Every printed figure with its comparison: (table, comparison)."""
    compared = [(table, cell) for table in TABLES for row in compare(table) for cell in row]
    return [(table, cell) for table, cell in compared if cell.figure]


@pytest.mark.parametrize("row", COUNTS, ids=lambda row: "-".join(map(str, row)))
def test_counts_are_exact(row):
    assert count_row(*row) == Cost(*COUNTS[row])


def test_every_figure_has_its_tick_but_those_listed(cells):
    explained = [cell.figure.why for _, cell in cells if cell.mark is Mark.EXPLAINED]
    assert {why: explained.count(why) for why in sorted(set(explained))} == EXPLAINED
    missed = {
        (table.version, table.host, cell.upsampler, cell.figure.printed)
        for table, cell in cells
        if cell.mark is Mark.NOT_REPRODUCED
    }
    assert missed == NOT_REPRODUCED
    assert sum(cell.mark is Mark.COUNTED for _, cell in cells) == 108
    unbuilt = [cell for _, cell in cells if cell.mark is Mark.NOTHING]
    assert all(cell.figure.why == "not-built" and cell.counted is None for cell in unbuilt)


def test_no_reason_is_given_where_counting_gives_the_figure(cells):
    assert not [cell for _, cell in cells if cell.mark is Mark.COUNTED and cell.figure.why]
    assert set(REASONS) == {cell.figure.why for _, cell in cells if cell.figure.why}


def test_a_wrong_figure_loses_its_tick(cells):
    for table, cell in cells:
        if cell.mark not in (Mark.COUNTED, Mark.EXPLAINED):
            continue
        printed = Decimal(cell.figure.printed)
        digit = Decimal(1).scaleb(printed.as_tuple().exponent)
        for wrong in (printed + digit, printed - digit):
            figure = dataclasses.replace(cell.figure, printed=str(wrong))
            again = compare_figure(table, cell.upsampler, cell.parameters, figure, cell.counted)
            assert again.mark is not cell.mark, (table.host, cell)
            assert cell.mark is Mark.EXPLAINED or again.mark is Mark.NOT_REPRODUCED, (table.host, cell)


def test_a_wrong_count_loses_its_tick():
    table = next(table for table in TABLES if table.version == "final" and table.host == "maskformer")
    figure, _ = table.rows["carafe"]
    for counted, mark in ((836_505_600, Mark.COUNTED), (846_505_600, Mark.NOT_REPRODUCED)):
        assert compare_figure(table, "carafe", False, figure, counted).mark is mark


@pytest.mark.parametrize(
    ("printed", "amount", "same"),
    [
        ("0.44", 444_888, True),
        ("0.44", 445_001, False),
        ("0.44", 445_000, True),
        ("0.44", 434_999, False),
        ("12.6", 12_601_344, True),
        ("12.60", 12_601_344, True),
        ("12.60", 12_606_000, False),
        ("0", 499_999, True),
        ("0", 500_001, False),
        ("102", 102_400_000, True),
    ],
)
def test_a_figure_agrees_to_the_digits_that_are_printed(printed, amount, same):
    assert agrees(Figure(printed, "M"), amount) == same
    assert agrees(Figure(printed, "M", doubled=True), Decimal(amount) / 2) == same


@pytest.mark.parametrize("host", [name for name, host in HOSTS.items() if host.build])
@pytest.mark.parametrize("upsampler", ["sapa-g", "a2u", "fade"])
def test_sites_are_where_the_built_model_upsamples(host, upsampler):
    assert count_sites(host, upsampler, 64) == count_row(host, upsampler, 64)


def test_bts_has_no_sapa_i_for_the_reason_given():
    assert "sapa-i" not in next(table for table in TABLES if table.host == "bts").rows
    with torch.device("meta"), pytest.raises(ValueError, match="equal counts"):
        HOSTS["bts"].build("sapa-i", 64)


def test_figures_named_in_reasons_and_remarks_are_right():
    positions = sum(site.positions for site in HOSTS["segformer-b1"].sites)
    trained = 16 * 256**2  # the depthwise IndexNet of the published log
    assert (round(6 * trained / 1e6, 2), round(positions * trained / 1e9, 1)) == (6.29, 15.3)
    reads = 4 * 9 * (128 + 256)  # by a position's four pixels, of keys and values
    plain = count_row("segformer-b1", "sapa-d", 64).multiply_adds
    assert [round((plain + each * positions * reads) / 1e9, 2) for each in (4, 8)] == [4.48, 5.28]
    squares = sum(site.positions * site.guide_channels**2 for site in HOSTS["matting"].sites)
    assert 136 * squares / 31.70e9 == pytest.approx(2, abs=0.02)
    assert 68 * squares / 31.70e9 == pytest.approx(1.01, abs=0.005)
    widths = [site.guide_channels for site in HOSTS["matting"].sites]
    assert [sum(a * width + b for width in widths) for a, b in ((42, 38), (78, 74))] == [21_656, 40_232]
    assert 15.91e9 / count_row("segformer-b1", "bilinear", 64).multiply_adds == pytest.approx(1.002, abs=5e-4)


def test_table_1_gives_the_printed_totals_and_counts_the_modules():
    totals = {name: table_1.total_mark(row) for name, row in table_1.ROWS.items() if row.printed}
    assert totals == dict.fromkeys(("carafe", "indexnet", "a2u", "sapa-b"), Mark.COUNTED)
    marks = {
        (cell.upsampler, parameters): (cell.evaluated, cell.counted, cell.mark)
        for parameters in (False, True)
        for cell in table_1.compare_rows(table_1.ROWS | table_1.OTHERS, parameters)
    }
    assert marks["carafe", False] == (99_584, 99_584, Mark.COUNTED)
    assert marks["indexnet", False] == (8_519_680, 2_100_224, Mark.EXPLAINED)
    assert marks["a2u", False] == (14_116, 27_940, Mark.EXPLAINED)
    assert marks["sapa-i", False] == (51_200, 51_200, Mark.COUNTED)
    assert marks["sapa-b", False] == (113_920, 113_920, Mark.COUNTED)
    assert marks["sapa-g", False] == (114_496, 130_560, Mark.EXPLAINED)
    assert marks["sapa-g", True] == (33_024, 50_625, Mark.EXPLAINED)
    assert Mark.NOT_REPRODUCED not in {mark for _, _, mark in marks.values()}
    elsewhere = {"nearest", "bilinear", "gaussian", "max_unpool", "sapa-p", "pixel_tcl", "bilinear_additive"}
    assert {name for name, _ in marks} | elsewhere == set(UPSAMPLERS)


def test_a_wrong_formula_of_table_1_loses_its_tick():
    row = table_1.ROWS["carafe"]
    wrong = table_1.Entry(table_1.Formula("65C", lambda c, d, k: 65 * c))
    assert table_1.total_mark(dataclasses.replace(row, multiply_adds=wrong)) is Mark.NOT_REPRODUCED
    rows = {"carafe": dataclasses.replace(row, multiply_adds=wrong)}
    assert [cell.mark for cell in table_1.compare_rows(rows, False)] == [Mark.NOT_REPRODUCED]


def test_the_document_is_what_the_script_writes(tmp_path):
    main(["--output", str(tmp_path / "tables.md")])
    written = (tmp_path / "tables.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "tables.md").read_text(encoding="utf-8") == written
    assert "python scripts/tables.py --output docs/tables.md" in written.splitlines()[2]


@pytest.mark.parametrize(("version", "other"), [("seed", "final"), ("final", "first")])
def test_a_version_alone_leaves_the_other_out(version, other, capsys):
    main(["--edition", version])
    text = capsys.readouterr().out
    assert f"--edition {version}" in text and f"Table 2, {other} version" not in text
    assert text.count("### Table 2") == text.count("### Table 3") == 3
    assert "| indexnet | 30.65 G | MAC | 30.6465 G | ✓ | 12.60 M | 12.6013 M | ✓ |" in " ".join(text.split())


def test_a_markdown_table_is_aligned():
    lines = markdown_table(["name", "n"], [["a", "1"], ["long name", "1,000"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "| --------- | ----: |"
