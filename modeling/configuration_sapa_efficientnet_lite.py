"""Configuration of EfficientNet-Lite as an encoder, read also from timm's folders."""

import json
import math
import os
import re
from typing import Any, NamedTuple

from transformers import PretrainedConfig
from transformers.backbone_utils import BackboneConfigMixin

from .compiled_code import refuse_compiled_code

LITES = {  # name -> width and depth multiplier
    "lite0": (1.0, 1.0),
    "lite1": (1.0, 1.1),
    "lite2": (1.1, 1.2),
    "lite3": (1.2, 1.4),
    "lite4": (1.4, 1.8),
}
ARCHITECTURE = re.compile(r"tf_efficientnet_(lite[0-4])(\..*)?")
HUB_ARGUMENTS = {
    "cache_dir",
    "force_download",
    "proxies",
    "token",
    "local_files_only",
    "revision",
    "subfolder",
}
LARGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors format itself
LARGEST_MULTIPLIER = 16  # a config from elsewhere must not ask for any amount of memory


class Group(NamedTuple):
    """One of the seven groups of equal blocks, timm's "stages"."""

    kernel_size: int
    stride: int
    expansion: int
    channels: int
    blocks: int


LITE0 = (
    Group(3, 1, 1, 16, 1),
    Group(3, 2, 6, 24, 2),
    Group(5, 2, 6, 40, 2),
    Group(3, 2, 6, 80, 3),
    Group(5, 1, 6, 112, 3),
    Group(5, 2, 6, 192, 4),
    Group(3, 1, 6, 320, 1),
)


class SapaEfficientNetLiteConfig(BackboneConfigMixin, PretrainedConfig):
    """EfficientNet-Lite, TensorFlow's variant: a small encoder made for CPUs, with weights under Apache-2.0.

    `from_pretrained` also reads timm's tf_efficientnet_lite0 to tf_efficientnet_lite4, from the Hub or from a
    folder that holds nothing but their weights. The five stages give maps at 1/2, 1/4, 1/8, 1/16 and 1/32.

    Args:
        width_multiplier: Factor on the channels of every stage; the stem keeps its 32.
        depth_multiplier: Factor on the number of blocks; the first and the last group keep their single one.
        num_channels: Channels of the image.
        batch_norm_eps: Epsilon of batch normalisation; TensorFlow's is 1e-3.
        out_features: Stages whose maps the encoder gives, of "stage1" to "stage5"; by default the last.
        out_indices: The same stages as indices, 0 to 4.
        kwargs: Everything that `PretrainedConfig` takes.

    Raises:
        TypeError: A multiplier is not a number.
        ValueError: A multiplier is out of its range, or a stage does not exist.
    """

    model_type = "sapa_efficientnet_lite"

    def __init__(
        self,
        width_multiplier: float = 1.0,
        depth_multiplier: float = 1.0,
        num_channels: int = 3,
        batch_norm_eps: float = 1e-3,
        out_features: list[str] | None = None,
        out_indices: list[int] | None = None,
        **kwargs,
    ):
        refuse_compiled_code(kwargs)
        check_multiplier("width_multiplier", width_multiplier)
        check_multiplier("depth_multiplier", depth_multiplier)
        self.width_multiplier = width_multiplier
        self.depth_multiplier = depth_multiplier
        self.num_channels = num_channels
        self.batch_norm_eps = batch_norm_eps
        kwargs.pop("stage_names", None)
        self.stage_names = [f"stage{number}" for number in range(1, 6)]
        self.set_output_features_output_indices(out_features=out_features, out_indices=out_indices)
        super().__init__(**kwargs)

    @property
    def groups(self) -> list[Group]:
        """The groups of blocks at this width and depth."""
        return scaled_groups(self.width_multiplier, self.depth_multiplier)

    @property
    def hidden_sizes(self) -> list[int]:
        """Channels of the five stages' maps: what lies before each halving, and the last."""
        channels = [group.channels for group in self.groups]
        strides = [group.stride for group in self.groups[1:]]
        return [size for size, after in zip(channels, [*strides, 2], strict=True) if after == 2]

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read the fields from a config.json, ours or timm's, or from the weights where there is none.

        Args:
            pretrained_model_name_or_path: A folder or a Hub id.
            kwargs: As in transformers.

        Returns:
            The fields, and the arguments that are left.

        Raises:
            ValueError: It is another network.
        """
        folder = str(pretrained_model_name_or_path)
        weights = os.path.join(folder, "model.safetensors")
        if os.path.isfile(weights) and not os.path.isfile(os.path.join(folder, "config.json")):
            rest = {name: value for name, value in kwargs.items() if name not in HUB_ARGUMENTS}
            return lite_fields(lite_of_weights(weights)), rest
        fields, kwargs = super().get_config_dict(pretrained_model_name_or_path, **kwargs)
        if "architecture" in fields:  # timm's
            fields = lite_fields(lite_of_architecture(fields["architecture"], folder))
        return fields, kwargs


def check_multiplier(name: str, value: float) -> None:
    """Refuse a multiplier that no network could be made with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r}; Lite0 has 1.0.")
    if not 0 < value <= LARGEST_MULTIPLIER:
        raise ValueError(
            f"{name} must be above 0 and at most {LARGEST_MULTIPLIER}, got {value}; Lite0 has 1.0."
        )


def scaled_groups(width: float, depth: float) -> list[Group]:
    """Scale Lite0's groups: channels to the nearest multiple of 8 (never below 90 %), blocks rounded up."""
    groups = []
    for number, group in enumerate(LITE0):
        channels = max(8, int(group.channels * width + 4) // 8 * 8)
        if channels < 0.9 * group.channels * width:
            channels += 8
        fixed = number in (0, len(LITE0) - 1)
        blocks = group.blocks if fixed else math.ceil(group.blocks * depth)
        groups.append(group._replace(channels=channels, blocks=blocks))
    return groups


def lite_fields(lite: str) -> dict[str, Any]:
    """Give the config fields of one of `LITES`."""
    width, depth = LITES[lite]
    model_type = SapaEfficientNetLiteConfig.model_type
    return {"model_type": model_type, "width_multiplier": width, "depth_multiplier": depth}


def lite_of_architecture(architecture: str, source: str) -> str:
    """Read the Lite from timm's name of an architecture, such as "tf_efficientnet_lite0"."""
    found = ARCHITECTURE.fullmatch(str(architecture))
    if not found:
        raise ValueError(
            f"{source} must hold one of tf_efficientnet_lite0 to tf_efficientnet_lite4, got "
            f"{architecture!r}. "
            "timm's efficientnet_lite models without tf_ pad in another way and are not supported."
        )
    return found[1]


def lite_of_weights(path: str) -> str:
    """Tell the Lite from the names and shapes in a safetensors file; its values are not read."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = file.read(size) if size <= LARGEST_HEADER else b""
    try:
        shapes = {name: entry.get("shape") for name, entry in json.loads(header).items()}
    except (ValueError, AttributeError):
        raise ValueError(f"{path} must be a safetensors file, but its header cannot be read.") from None
    blocks = {tuple(name.split(".")[1:3]) for name in shapes if name.startswith("blocks.")}
    for lite, multipliers in LITES.items():
        groups = scaled_groups(*multipliers)
        wanted = {(str(i), str(j)) for i, group in enumerate(groups) for j in range(group.blocks)}
        if blocks == wanted and shapes.get("blocks.6.0.bn3.weight") == [groups[-1].channels]:
            return lite
    raise ValueError(
        f"{path} must hold one of EfficientNet-Lite0 to Lite4 under timm's names, but its tensors are of "
        "another network. For other multipliers, put a config.json beside it."
    )
