"""What the models have in common as transformers' models."""

import logging
from collections.abc import Collection
from typing import TypeVar

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from .guided_upsampler import GuidedUpsampler

logger = logging.getLogger(__name__)

TAGS = ("feature-upsampling", "sapa")
HINT = (
    "push_to_hub uploads the model with a card that says little. The command sapa-publish loads it without "
    "this package first, and writes a card with its results, cost and licence."
)
Output = TypeVar("Output", bound=ModelOutput)


class UpsamplingPreTrainedModel(PreTrainedModel):
    """A model of transformers whose upsamplers initialise themselves."""

    main_input_name = "pixel_values"
    supports_gradient_checkpointing = True

    def post_init(self) -> None:
        """Finish as transformers does, and name the tags that `push_to_hub` puts into a card."""
        super().post_init()
        chosen = getattr(self.config, "upsampler", None)
        self.add_model_tags([*TAGS, *([chosen] if chosen else [])])

    def push_to_hub(self, *args, **kwargs):  # type: ignore[override]
        """Upload as transformers does; `sapa-publish` also checks the model and writes what was measured."""
        logger.warning(HINT)
        return super().push_to_hub(*args, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, GuidedUpsampler):
            module.reset_parameters()  # comes after its layers and overrules what they got
            return
        super()._init_weights(module)
        if isinstance(module, nn.Conv2d):
            self.init_convolution(module)

    def init_convolution(self, convolution: nn.Conv2d) -> None:
        """Give a convolution other first weights than transformers does; not inside a model with its own."""

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

    def wants_attentions(self, output_attentions: bool | None) -> bool:
        """Say whether attentions are to be returned: the call decides, else the config."""
        return bool(self.config.output_attentions if output_attentions is None else output_attentions)

    def wants_hidden_states(self, output_hidden_states: bool | Collection[int] | None) -> bool:
        """Say whether any hidden states are to be returned: the call decides, else the config."""
        return bool(
            self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        )

    def finish(
        self,
        output: Output,
        stages: tuple[torch.Tensor, ...] | None,
        output_hidden_states: bool | Collection[int] | None,
        return_dict: bool | None,
    ) -> Output | tuple:
        """Give a model's output as the call wants it, and where it does not say, the config.

        Args:
            output: All but the hidden states.
            stages: The encoder's outputs; None where none are wanted.
            output_hidden_states: Whether to return the stages. As in transformers, indices leave None in
                place of the other stages.
            return_dict: False returns a tuple of what there is.
        """
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        if wanted is True:
            output["hidden_states"] = stages
        elif wanted and stages is not None:
            output["hidden_states"] = tuple(
                stage if index in wanted else None for index, stage in enumerate(stages)
            )
        as_dict = self.config.return_dict if return_dict is None else return_dict
        return output if as_dict else output.to_tuple()
