"""Under which licence a model is published: it follows from what its training started from."""

import re
from dataclasses import dataclass

from ..markdown import plain_line
from .redaction import last_name
from .sources import SCRATCH, is_hub_id

NVIDIA = re.compile(r"nvidia/(mit|segformer)-[\w.-]+", re.IGNORECASE | re.ASCII)
NVIDIA_LICENCE = "https://github.com/NVlabs/SegFormer/blob/master/LICENSE"
CODE = (
    "The code in this repository is licensed under Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0)."
)


@dataclass(frozen=True)
class Licence:
    """What a card and a LICENSE file say.

    Attributes:
        fields: The card's metadata.
        text: A paragraph for people.
    """

    fields: dict[str, str]
    text: str


def licence_for(base_model: str | None) -> Licence:
    """Derive the licence from where the training started.

    Args:
        base_model: "scratch", the Hub id or local folder of a checkpoint, or None where it is not known.
    """
    if base_model == SCRATCH:
        return Licence(
            {"license": "apache-2.0"},
            f"{CODE} The weights were trained from scratch and are under the same licence. "
            "The data set they were trained on has terms of its own.",
        )
    if base_model is None:
        return _other(
            "It is not recorded what the training of these weights started from, so no licence is granted "
            "for them here: ask their author."
        )
    if NVIDIA.fullmatch(base_model):
        fields = {"license_name": "nvidia-source-code-license", "license_link": NVIDIA_LICENCE}
        return _other(
            f"The weights derive from {base_model}, released under NVIDIA's own source code licence for "
            f"SegFormer ({NVIDIA_LICENCE}): research and evaluation only, no commercial use. "
            "That licence applies to these weights too.",
            base_model=base_model,
            **fields,
        )
    if is_hub_id(base_model):
        return _other(
            f"The weights derive from {base_model} (https://huggingface.co/{base_model}): "
            "its licence applies to these weights too.",
            base_model=base_model,
        )
    name = re.sub(r"[^\w. -]", "_", plain_line(last_name(f"./{base_model}")))
    return _other(
        f"The weights derive from a checkpoint that is not on the Hub ({name}): its licence applies to these "
        "weights too; ask their author."
    )


def _other(text: str, **fields: str) -> Licence:
    return Licence({"license": "other", **fields}, f"{CODE} {text}")
