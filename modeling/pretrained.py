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
