"""The compiled operator: building it from the sources in kernel/, and finding what was built."""

from .local import default_output, local_build

__all__ = ["default_output", "local_build"]
