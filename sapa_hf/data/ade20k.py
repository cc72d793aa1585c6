"""ADE20K with the 150 classes of the scene parsing benchmark (Zhou et al., CVPR 2017)."""

from pathlib import Path

from .spec import DatasetSpec, read_names

# The parquet conversion of the Hub: the data set's own repository holds a script, which `datasets` refuses.
# Masks are stored as 0 = other, 1..150; 20,210 / 2,000 / 3,352 images.
ADE20K = DatasetSpec(
    name="ade20k",
    path="zhoubolei/scene_parse_150",
    config_name="scene_parsing",
    revision="refs/convert/parquet",
    eval_split="validation",
    test_split="validation",  # the benchmark's test labels are not public
    id2label=read_names(Path(__file__).with_name("ade20k_id2label.json")),
    reduce_labels=True,
)
