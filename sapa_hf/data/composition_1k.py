"""Composition-1k (Xu et al., Deep Image Matting, CVPR 2017): foregrounds laid over photos."""

from .spec import DatasetSpec

# The foregrounds are licensed on request, for research. path is the folder of lists that
# scripts/prepare_composition1k.py wrote: 43,100 training compositions, 1,000 for the test. There is no
# validation split. Training makes its own trimaps.
COMPOSITION_1K = DatasetSpec(
    name="composition_1k",
    eval_split="test",
    id_column="id",
    label_column=None,
    alpha_column="alpha",
    trimap_column="trimap",
    foreground_column="foreground",
    background_column="background",
)
