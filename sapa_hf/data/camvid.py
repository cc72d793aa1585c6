"""CamVid with the 11 classes of the SegNet split (Brostow et al., 2008): 367 / 101 / 233 photos."""

from .spec import DatasetSpec

NAMES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign_symbol",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)

# No repository on the Hub: path is the user's folder of parquet files.
CAMVID = DatasetSpec(name="camvid", id_column="id", id2label=dict(enumerate(NAMES)))
