"""Starting a model from scratch or from a checkpoint, saying exactly which parameters are new."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from huggingface_hub.errors import StrictDataclassError
from transformers import PretrainedConfig, PreTrainedModel

from .architecture import Architecture

if TYPE_CHECKING:  # training is built upon tasks, not the other way round
    from sapa_hf.training.arguments import ModelArguments

logger = logging.getLogger(__name__)


def build_model(
    architecture: Architecture,
    arguments: ModelArguments,
    head: tuple[str, ...],
    classifier: str | tuple[str, ...],
    **fields: Any,
) -> PreTrainedModel:
    """Make a model for a data set.

    Args:
        architecture: what to make.
        arguments: where to start and how to upsample.
        head: prefixes of the parameters that a checkpoint may lack.
        classifier: prefix of the parameters whose shape there may be that of other classes; () is none.
        fields: config fields that the data set decides, such as id2label.

    Raises:
        ValueError: for a config field that does not exist, or a checkpoint that lacks more than a head.
    """
    model_class, config_class = architecture.model, architecture.config_class
    checkpoint, revision = arguments.checkpoint, arguments.checkpoint_revision or "main"
    fields = fields | _upsampler_fields(arguments) | _checked(arguments.model_config, config_class)
    if checkpoint is None:
        model = model_class(_make_config(lambda: config_class(**fields)))
        logger.info("from scratch: %d parameters", model.num_parameters())
        return model
    try:
        config = _make_config(lambda: config_class.from_pretrained(checkpoint, revision=revision, **fields))
    except OSError as error:
        raise ValueError(
            f"checkpoint {checkpoint!r} cannot be read ({error}): give a local folder, "
            "or checkpoint=null to start from random weights"
        ) from error
    _check_encoder(config, fields, checkpoint)
    loaded: Any = model_class.from_pretrained(  # a pair, which transformers does not annotate
        checkpoint,
        revision=revision,
        config=config,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        key_mapping=architecture.key_mapping,
    )
    model, keys = loaded
    new = _new_parameters(keys, head, classifier, checkpoint)
    groups = Counter(".".join(key.split(".")[:2]) for key in new)
    summary = ", ".join(f"{name} ({count})" for name, count in sorted(groups.items())) or "none"
    logger.info("from %s: new parameters and buffers: %s", checkpoint, summary)
    logger.info("new: %s; not used: %s", ", ".join(new), ", ".join(sorted(keys["unexpected_keys"])) or "none")
    return model


def _new_parameters(
    keys: dict[str, Any], head: tuple[str, ...], classifier: str | tuple[str, ...], checkpoint: str
) -> list[str]:
    """Name the parameters that a checkpoint did not give; ValueError where it should have given one."""
    reshaped = [key for key, *_ in keys["mismatched_keys"]]
    wrong = [key for key in keys["missing_keys"] if not key.startswith(head)]
    wrong += [key for key in reshaped if not key.startswith(classifier)]
    if wrong:
        raise ValueError(
            f"checkpoint {checkpoint} does not fit this model: {len(wrong)} parameters are missing "
            f"or have another shape, such as {sorted(wrong)[0]}; does model_config describe the checkpoint?"
        )
    return sorted({*keys["missing_keys"], *reshaped})


def _check_encoder(config: PretrainedConfig, fields: dict[str, Any], checkpoint: str) -> None:
    """Refuse an encoder that the settings do not name: it also decides how photos are normalised."""
    found = getattr(config, "backbone_config", None)
    usual = getattr(type(config)(), "backbone_config", None)
    named = fields.get("backbone_config", {}).get("model_type", usual and usual.model_type)
    if named is not None:  # some configs hold an encoder under another type than they are given
        chosen: dict[str, Any] = {"backbone_config": {"model_type": named}}
        named = type(config)(**chosen).backbone_config.model_type
    if found is not None and found.model_type != named:
        raise ValueError(
            f"checkpoint {checkpoint} has an encoder of type {found.model_type!r}, but the settings name "
            f"{named!r}: set model_config.backbone_config.model_type={found.model_type}"
        )


def _make_config(make: Callable[[], PretrainedConfig]) -> PretrainedConfig:
    """Make a config, and say that it is model_config's types that transformers refuses."""
    try:
        return make()
    except StrictDataclassError as error:
        raise ValueError(f"model_config: {error}") from error


def _upsampler_fields(arguments: ModelArguments) -> dict[str, Any]:
    return {key: value for key, value in vars(arguments).items() if key.startswith("upsampler")}


def _checked(
    fields: dict[str, Any], config_class: type[PretrainedConfig], place: str = "model_config"
) -> dict[str, Any]:
    """Refuse fields that the config does not have; transformers would keep them without effect."""
    known = config_class().to_dict()
    for key in fields:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3)
            hint = f"; nearest: {', '.join(near)}" if near else ": leave it out"
            raise ValueError(f"{place}.{key} is not a field of {config_class.__name__}{hint}")
        if key.startswith("upsampler"):
            raise ValueError(f"{place}.{key}: {key} is a key of its own, set it there")
    encoder = fields.get("backbone_config")
    if isinstance(encoder, dict):
        chosen: dict[str, Any] = {"backbone_config": {"model_type": encoder.get("model_type")}}
        made = config_class(**chosen).backbone_config
        _checked(encoder, type(made), f"{place}.backbone_config")
    return fields
