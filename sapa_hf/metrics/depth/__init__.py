"""Errors of estimated depth; `sapa_hf.metrics.load_metric("depth")` loads it."""
