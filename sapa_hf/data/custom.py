"""Any data set of the Hub or of the disk: the caller names its path, columns and classes."""

from .spec import DatasetSpec

CUSTOM = DatasetSpec(name="custom")
