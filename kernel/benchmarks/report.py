"""The goals, and the measured rows as a table in RESULTS.md."""

GOALS = {  # (pass, dtype): times faster than tiled, times faster than unfold, share of the limit at batch 1
    ("forward", "float32"): (5, 100, 0.60),
    ("forward", "bfloat16"): (4, None, None),
    ("forward+backward", "float32"): (None, None, 0.45),
    ("forward+backward", "bfloat16"): (None, None, None),
}
START, END = "<!-- measured: start -->", "<!-- measured: end -->"


def verdicts(row):
    """The row's ratios beside their goals."""
    faster, unfold, share = GOALS[row["pass"], row["dtype"]]
    if row["batch"] > 1:
        unfold = share = None
    found = {"tiled": faster, "unfold": unfold}
    met = {
        n: row["times_faster_than"][n] >= g for n, g in found.items() if g and n in row["times_faster_than"]
    }
    return {**met, **({"share_of_limit": row["share_of_limit"] >= share} if share else {})}


def table(rows):
    """The rows as Markdown."""
    lines = [
        "| pass | dtype | batch | threads | kernel ms | tiled ms | times tiled | at the limit | times unfold "
        "| bilinear ms | limit ms | share of limit | fresh pages ms | goals met |",
        "|" + "---|" * 14,
    ]
    for row in rows:
        ms, faster = row["milliseconds"], row["times_faster_than"]
        met = ", ".join(f"{n}: {'yes' if ok else 'no'}" for n, ok in row["goals_met"].items())
        cells = (
            row["pass"],
            row["dtype"],
            row["batch"],
            row["threads"],
            ms["kernel"],
            ms["tiled"],
            faster["tiled"],
            round(ms["tiled"] / row["limit_milliseconds"], 2),
        )
        cells += (faster.get("unfold", ""), ms["bilinear"], row["limit_milliseconds"], row["share_of_limit"])
        cells += (row.get("fresh_page_milliseconds", ""), met)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def write_report(path, results):
    """Put the table, and what it was measured on, between the marks of RESULTS.md."""
    text = path.read_text()
    head, rest = text.split(START)
    tail = rest.split(END)[1]
    processor = results["processor"]
    summary = (
        f"Measured {results['date']} on {processor['name']}, {processor['cores']} cores, "
        f"torch {results['torch']}, best of {results['rounds']} interleaved rounds. "
        f"Load average before the start: {results['load_average']}; above the core count it would mean "
        "that others took part. *At the limit* is how many times faster than the tiled form a kernel would "
        "be that reached this processor's limit. Peak memory of the largest call beyond its output: "
        f"{results['extra_memory_share_of_output']} of the output."
    )
    path.write_text(f"{head}{START}\n{summary}\n\n{table(results['rows'])}\n{END}{tail}")
