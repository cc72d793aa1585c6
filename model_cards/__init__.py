"""Card templates, one a model family; `sapa_hf.publishing` fills them from a results file."""
