"""Average precision of boxes; `sapa_hf.metrics.load_metric("box_ap")` loads it."""
