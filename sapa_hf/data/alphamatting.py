"""The 27 training photos of alphamatting.com (Rhemann et al., CVPR 2009), with mattes and trimaps."""

from .spec import DatasetSpec

# path is the user's folder of parquet files with the columns below and a train and a test split; there is no
# repository on the Hub. The photos have no known foregrounds: only alpha is learnt. The narrow trimap is
# read, unless data_fields.trimap_column names the wide one.
ALPHAMATTING = DatasetSpec(
    name="alphamatting",
    eval_split="test",
    id_column="id",
    label_column=None,
    alpha_column="alpha",
    trimap_column="trimap_narrow",
)
