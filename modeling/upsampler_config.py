"""The fields by which a config or a recipe chooses an upsampler, spelt once."""

from dataclasses import dataclass, field, fields
from typing import Any

from .checks import BORDERS, NORMALIZATIONS, STARTS
from .compiled_code import refuse_compiled_code
from .upsampler import UPSAMPLERS, check_name, check_options


@dataclass
class UpsamplerFields:
    """Which upsampler, and its options; an upsampler ignores the options that it does not have.

    Attributes:
        upsampler: One of `UPSAMPLERS`.
        upsampler_kernel_size: Odd window size K.
        upsampler_embedding_dim: Embedding dimension d; the paper's final tables use 32.
        upsampler_normalization: How scores become the weights of a window.
        upsampler_border: What a tap outside the map is; "zero" is as released.
        upsampler_start: Which upsampling SAPA's first weights are; "average" is the paper's.
        upsampler_heads: Parts of the channels with kernels of their own; the paper's SAPA has 1.
    """

    upsampler: str = field(default="sapa-g", metadata={"help": "the feature upsampling operator"})
    upsampler_kernel_size: int = field(default=5, metadata={"help": "window side K, odd"})
    upsampler_embedding_dim: int = field(
        default=64, metadata={"help": "embedding dimension d of the similarity"}
    )
    upsampler_normalization: str = field(
        default="softmax",
        metadata={"help": f"how scores become kernel weights: {', '.join(NORMALIZATIONS)}"},
    )
    upsampler_border: str = field(
        default="zero", metadata={"help": f"what a tap outside the map is: {', '.join(BORDERS)}"}
    )
    upsampler_start: str = field(
        default="average", metadata={"help": f"SAPA's first weights: {', '.join(STARTS)}"}
    )
    upsampler_heads: int = field(
        default=1, metadata={"help": "parts of the channels with kernels of their own"}
    )


DEFAULTS: dict[str, Any] = {entry.name: entry.default for entry in fields(UpsamplerFields)}


class UpsamplerConfig:
    """Mixin, before the config class of transformers: the fields of `UpsamplerFields` and their checks.

    Attributes:
        pools_by_two: Whether the model's encoder has the 2 x 2 max poolings whose indices "max_unpool" needs.

    Args:
        kwargs: The fields, and everything that the config class takes.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value, or asks for compiled code from the Hub.
    """

    pools_by_two = False

    def __init__(self, **kwargs):
        for name, default in DEFAULTS.items():
            setattr(self, name, kwargs.pop(name, default))
        check_config(self)
        refuse_compiled_code(kwargs)
        super().__init__(**kwargs)

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        """Make the config that a file holds; what runs the attention is the caller's choice alone."""
        refuse_compiled_code(config_dict)
        names = ("attn_implementation", "experts_implementation")
        chosen = {f"_{name}": kwargs.pop(name) for name in names if name in kwargs}
        made = super().from_dict(config_dict, **kwargs)  # type: ignore[misc]  # the config class's
        config = made[0] if isinstance(made, tuple) else made
        for name, value in chosen.items():
            setattr(config, name, value)
        check_config(config)  # again: fields given in the call are set on the finished config
        return made


def check_config(config: Any, kind: type | None = None) -> None:
    """Refuse `UpsamplerFields`, of a config or a recipe, that do not fit the model.

    Args:
        config: Holds the fields.
        kind: The class of the model's config; None is the config's own.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value, or the upsampler needs what these models' encoders do not have.
    """
    check_fields(config)
    kind = kind or type(config)
    if UPSAMPLERS[config.upsampler].needs_indices and not getattr(kind, "pools_by_two", False):
        raise ValueError(
            f"upsampler={config.upsampler!r} needs the indices of its encoder's 2 x 2 max pooling, and the "
            f"encoder of {kind.__name__} has none. Choose another, or SegNet, which pools so."
        )


def check_fields(config: Any) -> None:
    """Refuse `UpsamplerFields` that fit no model.

    Raises:
        TypeError: A field has the wrong type.
        ValueError: A field has a wrong value.
    """
    check_name(config.upsampler)
    check_options(**config_options(config))


def config_options(config: Any) -> dict[str, Any]:
    """Collect the `upsampler_*` fields as the options of `build_upsampler`."""
    prefix = "upsampler_"
    return {name.removeprefix(prefix): getattr(config, name) for name in DEFAULTS if name.startswith(prefix)}
