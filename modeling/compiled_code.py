"""Keep configs from having compiled code fetched: which kernel runs is chosen by who runs the model."""


def refuse_compiled_code(fields: dict, source: str = "The config") -> None:
    """Refuse a config whose fields name a kernel on the Hub.

    transformers takes "owner/name" as an attention or experts implementation, and fetches it while loading.
    Choose one in the call instead: `from_pretrained(..., attn_implementation=...)`.

    Args:
        fields: What the config file holds, or the keyword arguments of a config.
        source: What to call the config in the message.

    Raises:
        ValueError: A field that ends in "_implementation" names a Hub repository.
    """
    for name, value in fields.items():
        if name.endswith("_implementation") and "/" in str(value):
            raise ValueError(
                f"{source} asks for compiled code by {name}={value!r}. Which kernel runs is chosen by who "
                "runs the model, never by a file: remove the entry."
            )
