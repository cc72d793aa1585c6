"""COCO's boxes of objects in 80 classes (Lin et al., ECCV 2014)."""

from .spec import DatasetSpec

# path is a folder of parquet files, or a Hub id, with the columns below. objects has bbox (x, y, width and
# height in pixels), category (0 to 79, COCO's classes in order), area and iscrowd; the folder's id2label.json
# names the classes. The test split's boxes are not published: the validation split is scored.
COCO_DETECTION = DatasetSpec(
    name="coco_detection",
    eval_split="validation",
    test_split="validation",
    id_column="image_id",
    label_column=None,
    objects_column="objects",
)
