"""Training: recipes, a stateless order of samples, a plain loop, checkpoints that continue bit for bit."""

from .arguments import Arguments
from .loop import Trainer
from .parse import as_settings, parse_arguments
from .recipe import recipe_names
from .step import NonFiniteError

__all__ = ["Arguments", "NonFiniteError", "Trainer", "as_settings", "parse_arguments", "recipe_names"]
