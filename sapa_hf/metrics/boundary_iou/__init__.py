"""Boundary intersection over union; `sapa_hf.metrics.load_metric("boundary_iou")` loads it."""
