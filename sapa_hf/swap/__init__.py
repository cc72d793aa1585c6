"""Other upsamplers in anybody's network: find the places, replace them, undo it."""

from .find import find_upsampling
from .replace import replace_upsampling, restore_upsampling
from .site import Site, SiteTable

__all__ = ["Site", "SiteTable", "find_upsampling", "replace_upsampling", "restore_upsampling"]
