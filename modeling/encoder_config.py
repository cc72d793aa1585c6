"""Configurations of any encoder, inside the configuration of a model with a head on it."""

import os
from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING_NAMES

from .compiled_code import refuse_compiled_code
from .configuration_sapa_efficientnet_lite import SapaEfficientNetLiteConfig

OF_A_CLASSIFIER = (  # fields of an ImageNet checkpoint that say nothing of its encoder
    "architectures",
    "auto_map",
    "dtype",
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "torch_dtype",
    "transformers_version",
)


def encoder_config(encoder: dict | PretrainedConfig, maps: int) -> PretrainedConfig:
    """Make the configuration of an encoder that gives so many maps.

    Args:
        encoder: A configuration or its fields, model_type among them: of an encoder that transformers'
            `AutoBackbone` knows, or "sapa_efficientnet_lite".
        maps: How many maps the head takes. An encoder that gives a single one, as transformers' do unless
            told otherwise, is set to give those of its last stages.

    Returns:
        The configuration, with `out_features` set.

    Raises:
        TypeError: It is neither a configuration nor fields.
        ValueError: There is no such encoder, or it gives another number of maps.
    """
    config = _make(encoder) if isinstance(encoder, dict) else encoder
    if not isinstance(config, PretrainedConfig):
        raise TypeError(f"backbone_config must be a config or a dict of its fields, got {encoder!r}.")
    names = getattr(config, "stage_names", None) or []
    if len(config.out_indices) == 1 and len(names) >= maps:
        config.out_indices = list(range(len(names) - maps, len(names)))
    if len(config.out_indices) != maps:
        raise ValueError(
            f"backbone_config must give {maps} maps, got {len(config.out_indices)} from its stages {names}: "
            f"choose {maps} of them by out_features."
        )
    return config


def _make(fields: dict) -> PretrainedConfig:
    fields = {name: value for name, value in fields.items() if name not in OF_A_CLASSIFIER}
    kind = fields.pop("model_type", None)
    refuse_compiled_code(fields, "backbone_config")
    if kind == SapaEfficientNetLiteConfig.model_type:
        return SapaEfficientNetLiteConfig(**fields)
    if kind not in MODEL_FOR_BACKBONE_MAPPING_NAMES:
        raise ValueError(
            f"backbone_config.model_type must be an encoder that transformers' AutoBackbone knows, such as "
            f"'resnet' or 'swin', or '{SapaEfficientNetLiteConfig.model_type}'; got {kind!r}."
        )
    return AutoConfig.for_model(kind, **fields)


class EncoderConfigMixin:
    """Mixin, before the config class of transformers: starts also from the checkpoint of an encoder alone.

    Attributes:
        whole_types: model_type of the checkpoints that describe the whole model, or a stock one with other
            upsamplers. Of any other, the fields become `backbone_config`.
    """

    model_type: ClassVar[str]
    whole_types: tuple[str | None, ...] = ()
    sub_configs = {"backbone_config": AutoConfig}

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read the fields of a checkpoint of the whole model, or of an encoder alone, timm's Lite too.

        Args:
            pretrained_model_name_or_path: A folder or a Hub id.
            kwargs: As in transformers.

        Returns:
            The fields, and the arguments that are left.
        """
        fields, kwargs = SapaEfficientNetLiteConfig.get_config_dict(pretrained_model_name_or_path, **kwargs)
        if fields.get("model_type") in (None, cls.model_type, *cls.whole_types):
            return fields, kwargs
        return {"model_type": cls.model_type, "backbone_config": fields}, kwargs

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        """Make the config that a file holds; what the call gives of `backbone_config` wins over the file."""
        given, stored = kwargs.pop("backbone_config", None), config_dict.get("backbone_config") or {}
        if isinstance(given, dict):
            same = given.get("model_type") in (None, stored.get("model_type"))
            given = stored | given if same else given
        if given is not None:
            config_dict = config_dict | {"backbone_config": given}
        return super().from_dict(config_dict, **kwargs)  # type: ignore[misc]  # the config class's


__all__ = ["EncoderConfigMixin", "encoder_config"]
