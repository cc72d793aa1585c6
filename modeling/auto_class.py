"""Which auto classes load a saved model."""

from transformers import PretrainedConfig


def offer_to_auto_model(config: PretrainedConfig, model: str) -> None:
    """Have `AutoModel` load this model too.

    A class can be registered for one auto class, which is its task's; an entry in the config survives saving.

    Args:
        config: Of the model.
        model: "module.Class", as transformers' `auto_map` names it.
    """
    auto_map = dict(getattr(config, "auto_map", None) or {})
    auto_map.setdefault("AutoModel", model)
    config.auto_map = auto_map
