"""Keep configs from having compiled code fetched: which kernel runs is chosen by who runs the model."""

from collections.abc import Iterator
from typing import Any

HARMLESS = (None, "eager", "sdpa", "flex_attention", "batched_mm", "grouped_mm")  # parts of torch
SWITCHES = ("use_kernels", "kernel_config")
QUANTIZERS = ("eetq", "fbgemm_fp8", "fp8", "metal", "mxfp4", "nvfp4")  # whose kernels come from the Hub


def refuse_compiled_code(fields: dict, source: str = "The config") -> None:
    """Refuse a config whose fields, nested ones too, have transformers fetch a compiled kernel from the Hub.

    transformers takes "owner/name" as an attention or experts implementation, and for "flash_attention_2" it
    takes one from the Hub where flash-attn is not installed. Choose one in the call instead:
    `from_pretrained(..., attn_implementation=...)`.

    Args:
        fields: What the config file holds, or the keyword arguments of a config.
        source: What to call the config in the message.

    Raises:
        ValueError: A field asks for compiled code.
    """
    for name, value in _fields(fields):
        if name.removesuffix("_internal").endswith("_implementation"):
            compiled = any(choice not in HARMLESS for choice in _choices(value))
        elif name == "quant_method":
            compiled = value in QUANTIZERS
        else:
            compiled = name in SWITCHES and bool(value)
        if compiled:
            raise ValueError(
                f"{source} asks for compiled code by {name}={value!r}. Which kernel runs is chosen by who "
                "runs the model, never by a file: remove the entry."
            )


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Walk through all named entries of nested dictionaries and lists."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield str(name), inner
            yield from _fields(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _fields(inner)


def _choices(value: Any) -> list[Any]:
    """List the implementations in a field, which may name one for each part of the model."""
    if isinstance(value, dict):
        return [choice for inner in value.values() for choice in _choices(inner)]
    return [value]
