"""Mean intersection over union; `sapa_hf.metrics.load_metric("mean_iou")` loads it."""
