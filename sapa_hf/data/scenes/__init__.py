"""Scenes, the procedural data set: ray-cast rooms with exact labels and exact metric depth."""

from .dataset import SCENES, load_scenes

__all__ = ["SCENES", "load_scenes"]
