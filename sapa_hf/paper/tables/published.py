"""The published figures, as printed, each with the name of the reason where a plain count gives another.

- "seed" is the paper's anonymous first version, "final" its camera-ready one, whose tables the authors'
  README repeats; "later" are the papers after it.
- Of the first version those figures are on record that differ from the final ones; the others are taken to be
  the same.
- Units are 10^3 (K), 10^6 (M) and 10^9 (G). What the papers call FLOPs are multiply-adds, but SAPA's and
  CARAFE's of the first version, which are `doubled`: 2 x multiply-adds.
"""

from dataclasses import dataclass, replace

UNITS = {"K": 10**3, "M": 10**6, "G": 10**9}
README = "README of poppinace/sapa, the camera-ready tables"
SEED = "the anonymous first version"
FADE = "README of poppinace/fade"
JOURNAL = "README of tiny-smart/sapa and the journal version (arXiv 2307.08198)"
DETECTION = "the journal version, and README of tiny-smart/dysample"
DYSAMPLE = "README of tiny-smart/dysample"


@dataclass(frozen=True)
class Figure:
    """One printed figure.

    Attributes:
        printed: Its digits.
        unit: "K", "M" or "G".
        why: Key of `REASONS`, where counting does not give these digits.
        doubled: FLOPs that are 2 x multiply-adds.
    """

    printed: str
    unit: str
    why: str | None = None
    doubled: bool = False


@dataclass(frozen=True)
class Table:
    """One model's columns of a table.

    Attributes:
        name: "Table 2", "Table 3", or the paper's.
        version: "seed", "final" or "later".
        host: Key of `HOSTS`.
        embedding_dim: d.
        source: Where the figures were read.
        rows: Upsampler -> (FLOPs, parameters); None where nothing is printed or on record.
    """

    name: str
    version: str
    host: str
    embedding_dim: int
    source: str
    rows: dict[str, tuple[Figure | None, Figure | None]]


def giga(printed: str, why: str | None = None) -> Figure:
    """Make a figure of multiply-adds."""
    return Figure(printed, "G", why)


def twice(printed: str, why: str | None = None) -> Figure:
    """Make a figure of 2 x multiply-adds."""
    return replace(giga(printed, why), doubled=True)


def mega(printed: str, why: str | None = None) -> Figure:
    """Make a figure of parameters in M."""
    return Figure(printed, "M", why)


def kilo(printed: str, why: str | None = None) -> Figure:
    """Make a figure of parameters in K."""
    return Figure(printed, "K", why)


SEGFORMER = {
    "bilinear": (giga("15.91", "whole-model-flops"), mega("13.74", "unused-segmenter")),
    "carafe": (giga("1.45"), mega("0.44")),
    "indexnet": (giga("30.65"), mega("12.60")),
    "a2u": (giga("0.41"), mega("0.06")),
    "sapa-i": (giga("0.75"), mega("0.00")),
    "sapa-b": (giga("1.02"), mega("0.1")),
    "sapa-g": (giga("1.02", "shared-query"), mega("0.1", "shared-query")),
}
MASKFORMER = {
    "nearest": (giga("195", "other-counter"), mega("102")),
    "carafe": (giga("0.84"), mega("0.22")),
    "indexnet": (giga("17.64"), mega("6.30")),
    "a2u": (giga("0.23"), mega("0.03")),
    "sapa-i": (giga("0.43"), mega("0.00")),
    "sapa-b": (giga("0.59"), mega("0.05")),
    "sapa-g": (giga("0.59", "shared-query"), mega("0.05", "shared-query")),
}
MASK2FORMER = {
    "bilinear": (giga("223", "other-counter"), mega("107")),
    "carafe": (giga("0.63", "cut-off"), mega("0.07")),
    "indexnet": (giga("13.44"), mega("2.10")),
    "a2u": (giga("0.18"), mega("0.01")),
    "sapa-i": (giga("0.33"), mega("0.00")),
    "sapa-b": (giga("0.45"), mega("0.02")),
    "sapa-g": (giga("0.45", "shared-query"), mega("0.02", "shared-query")),
}
FASTER_RCNN = {
    "nearest": (None, mega("41.53", "not-built")),
    "carafe": (None, mega("0.22")),
    "indexnet": (None, mega("6.30")),
    "a2u": (None, mega("0.03")),
    "sapa-i": (None, mega("0")),
    "sapa-b": (None, mega("0.05")),
    "sapa-g": (None, mega("0.05", "shared-query")),
}
BTS = {
    "nearest": (None, mega("49.53", "unused-classifier")),
    "carafe": (None, mega("0.41")),
    "indexnet": (None, mega("44.20", "last-digit")),
    "a2u": (None, mega("0.08")),
    "sapa-b": (None, mega("0.16")),
    "sapa-g": (None, mega("0.25")),
}
MATTING = {
    "bilinear": (None, mega("8.05")),
    "carafe": (None, mega("0.26")),
    "indexnet": (None, mega("12.26", "matting-index")),
    "a2u": (None, mega("0.02")),
    "sapa-i": (None, mega("0")),
    "sapa-b": (None, mega("0.04")),
    "sapa-g": (None, mega("0.04", "shared-query")),
}

FINAL_TABLES = (
    Table("Table 2", "final", "segformer-b1", 32, README, SEGFORMER),
    Table("Table 2", "final", "maskformer", 32, README, MASKFORMER),
    Table("Table 2", "final", "mask2former", 32, README, MASK2FORMER),
    Table("Table 3", "final", "faster-rcnn", 32, README, FASTER_RCNN),
    Table("Table 3", "final", "bts", 32, README, BTS),
    Table("Table 3", "final", "matting", 32, README, MATTING),
)

SEED_ROWS = {
    "segformer-b1": {
        "carafe": (twice("1.83", "carafe-of-the-seed"), mega("0.44")),
        "a2u": (giga("0.41"), mega("0.12", "down-branch")),
        "sapa-i": (twice("1.50", "rounded-first"), mega("0")),
        "sapa-b": (twice("3.32"), mega("0.20")),
        "sapa-g": (twice("3.34", "shared-query"), mega("0.20", "shared-query-weights")),
    },
    "maskformer": {
        "carafe": (twice("1.67"), mega("0.22")),
        "a2u": (giga("0.23"), mega("0.06", "down-branch")),
        "sapa-i": (twice("0.86"), mega("0")),
        "sapa-b": (twice("1.91"), mega("0.10")),
        "sapa-g": (twice("1.92", "shared-query"), mega("0.10", "shared-query")),
    },
    "mask2former": {
        "carafe": (twice("6.02", "carafe-of-the-seed"), mega("0.07")),
        "a2u": (giga("0.18"), mega("0.02", "down-branch")),
        "sapa-i": (twice("2.62", "output-grid"), mega("0")),
        "sapa-b": (twice("5.83", "output-grid"), mega("0.03")),
        "sapa-g": (twice("5.86", "output-grid-shared-query"), mega("0.03", "shared-query")),
    },
    "faster-rcnn": {
        "a2u": (None, None),
        "sapa-b": (None, mega("0.10")),
        "sapa-g": (None, mega("0.10", "shared-query")),
    },
    "bts": {
        "a2u": (None, mega("0.15", "down-branch")),
        "sapa-b": (None, mega("0.31")),
        "sapa-g": (None, mega("0.49")),
    },
    "matting": {
        "a2u": (None, mega("0.04", "down-branch")),
        "sapa-b": (None, mega("0.07")),
        "sapa-g": (None, mega("0.07", "shared-query")),
    },
}
SEED_TABLES = tuple(
    replace(final, version="seed", embedding_dim=64, source=SEED, rows=final.rows | SEED_ROWS[final.host])
    for final in FINAL_TABLES
)

LATER_TABLES = (
    Table(
        "FADE",
        "later",
        "segformer-b1",
        32,
        FADE,
        {
            "bilinear": (giga("15.91", "whole-model-flops"), mega("13.7")),
            "carafe": (giga("1.45"), mega("0.44")),
            "indexnet": (giga("30.65"), mega("12.60")),
            "a2u": (giga("0.41"), mega("0.12", "down-branch")),
            "fade": (giga("2.65", "gate-mixing"), mega("0.29")),
        },
    ),
    Table(
        "FADE",
        "later",
        "matting",
        32,
        FADE,
        {
            "bilinear": (giga("8.61", "matting-flops"), mega("8.05")),
            "carafe": (giga("6.00"), mega("0.26")),
            "indexnet": (giga("31.70", "matting-index-flops"), mega("12.26", "matting-index")),
            "a2u": (giga("0.66"), kilo("38", "matting-a2u")),
            "fade": (giga("8.85", "gate-mixing"), mega("0.12")),
        },
    ),
    Table(
        "Journal version",
        "later",
        "segformer-b1",
        32,
        JOURNAL,
        {
            "bilinear": (giga("15.9"), mega("13.74", "unused-segmenter")),
            "deconv": (giga("34.4", "output-grid"), mega("3.5")),
            "pixel_shuffle": (giga("34.4"), mega("3.5", "row-of-deconvolution")),
            "carafe": (giga("1.5"), mega("0.44")),
            "indexnet": (giga("30.7", "rounded-first"), mega("12.6")),
            "a2u": (giga("0.4"), mega("0.1")),
            "fade": (giga("2.7", "gate-mixing"), mega("0.3")),
            "sapa-i": (giga("0.8", "rounded-first"), mega("0")),
            "sapa-b": (giga("1.0"), mega("0.1")),
            "sapa-d": (giga("5.3", "sampled-reads"), mega("0.8")),
            "dysample": (None, None),
        },
    ),
    Table(
        "Journal version",
        "later",
        "faster-rcnn-carafe",
        32,
        DETECTION,
        {
            "nearest": (None, mega("46.8", "not-built")),
            "carafe": (None, mega("0.3")),
            "indexnet": (None, mega("8.4")),
            "sapa-d": (None, mega("0.6")),
            "dysample": (None, kilo("32.7", "weights-cut-off")),
        },
    ),
    Table(
        "DySample",
        "later",
        "panoptic-fpn",
        32,
        DYSAMPLE,
        {
            "nearest": (None, mega("46.0", "not-built")),
            "dysample": (None, kilo("24.6", "weights")),
        },
    ),
)

TABLES = SEED_TABLES + FINAL_TABLES + LATER_TABLES
