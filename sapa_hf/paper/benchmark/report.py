"""Results of a benchmark as a JSON file and the Markdown table that documents quote."""

import json
from pathlib import Path

from sapa_hf.markdown import markdown_table
from sapa_hf.provenance import hardware, versions

TITLES = {
    "operator": "The operator's six calls in SegFormer-B1 at 512 x 512 (d 64, C 256, K 5)",
    "model": "SegFormer-B1 whole, 512 x 512, 150 classes",
    "memory": "Memory of a training step, SegFormer-B1 at 512 x 512, batch 16, without the loss",
    "goals": "The CPU kernel and its goals, each row with a batch, type and threads of its own",
}
HEADINGS = {
    "form": "form",
    "model": "model",
    "forward_ms": "forward, ms",
    "forward_ratio": "x tiles",
    "inference_ms": "inference, ms",
    "inference_ratio": "x transformers",
    "training_ms": "with backward, ms",
    "training_ratio": "x",
    "saved_mb": "saved for backward, MB",
    "kept_gb": "kept for backward, GB",
    "kept_ratio": "x bilinear",
    "peak_gb": "at the peak, GB",
    "peak_ratio": "of bilinear's",
    "times_tiled": "times faster than tiles",
    "times_tiled_at_limit": "the same at the processor's limit",
    "times_unfold": "times faster than unfold",
    "share_of_limit": "share of the limit",
}
CLOSE = ("kept_ratio", "peak_ratio")  # of columns whose values differ in the third digit


def write_report(folder: Path, parts: dict[str, list[dict]], settings: dict) -> str:
    """Write benchmark.json and benchmark.md, and give the Markdown.

    Args:
        folder: Where the two files go.
        parts: Rows by part, "operator", "model", "memory" or "goals".
        settings: What was run: commit, batch, threads, precision, device.
    """
    about = {**settings, "hardware": hardware(settings["device"]), **versions()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmark.json").write_text(json.dumps({"about": about, **parts}, indent=2) + "\n")
    text = "# Benchmark\n\nMedians of interleaved rounds: read the ratios, machines are noisy.\n\n"
    text += "".join(f"- {key}: {value}\n" for key, value in about.items())
    for part, rows in parts.items():
        text += f"\n## {TITLES[part]}\n\n{_table(rows)}\n"
    (folder / "benchmark.md").write_text(text)
    return text


def _table(rows: list[dict]) -> str:
    header = [HEADINGS.get(key, key) for key in rows[0]]
    return markdown_table(header, [[_cell(*cell) for cell in row.items()] for row in rows])


def _cell(key: str, value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:.{3 if key in CLOSE else 2}f}"
