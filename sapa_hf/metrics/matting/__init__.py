"""Errors of alpha mattes; `sapa_hf.metrics.load_metric("matting")` loads it."""
