"""What the models have in common as transformers' models."""

import torch
from torch import nn
from transformers import PreTrainedModel

from .guided_upsampler import GuidedUpsampler


class UpsamplingPreTrainedModel(PreTrainedModel):
    """A model of transformers whose upsamplers draw their own first weights."""

    main_input_name = "pixel_values"
    supports_gradient_checkpointing = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, GuidedUpsampler):
            module.reset_parameters()  # comes after its layers and overrules what they got
            return
        super()._init_weights(module)

    @classmethod
    def from_pretrained(cls, *args, key_mapping: dict[str, str] | None = None, **kwargs):
        """Load as transformers does; names that `key_mapping` changed are saved as this model has them.

        transformers would write the checkpoint's names back, which the model then could not load.
        """
        loaded = super().from_pretrained(*args, key_mapping=key_mapping, **kwargs)
        if key_mapping:
            model = loaded[0] if isinstance(loaded, tuple) else loaded
            model._weight_conversions = None  # saving looks up those of the model itself
        return loaded
