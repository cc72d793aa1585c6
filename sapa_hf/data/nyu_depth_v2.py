"""NYU Depth V2 (Silberman et al., ECCV 2012): indoor photos with depth by a Kinect."""

from .spec import DatasetSpec

# No repository on the Hub that `datasets` still reads holds it whole: sayakpaul/nyu_depth_v2 is a script with
# h5 archives. path is the user's folder of parquet files with depth as 16-bit PNG in millimetres, such as
# scripts/prepare_nyu.py writes (24,231 / 654). There is no validation split: evaluation uses the test split,
# as the papers do.
NYU_DEPTH_V2 = DatasetSpec(
    name="nyu_depth_v2",
    eval_split="test",
    id_column="id",
    label_column=None,
    depth_column="depth_map",
    depth_scale=0.001,
    frame=(43, 45, 608, 472),  # the photos' white frame lies outside
    depth_metric={"crop": "eigen", "min_depth": 1e-3, "max_depth": 10.0},
)
