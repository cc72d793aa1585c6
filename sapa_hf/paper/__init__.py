"""What reproduces the paper: its tables, Figure 2, a study of variants and seeds, a benchmark, and a demo."""
