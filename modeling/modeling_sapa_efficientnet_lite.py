"""EfficientNet-Lite as an encoder for any head that takes an `AutoBackbone`."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel
from transformers.backbone_utils import BackboneMixin
from transformers.modeling_outputs import BackboneOutput

from .checkpointing import CheckpointedSequential
from .configuration_sapa_efficientnet_lite import SapaEfficientNetLiteConfig

STEM_CHANNELS = 32  # the Lite variants scale neither this nor the classifier's head


class SameConv2d(nn.Conv2d):
    """A convolution without bias and with TensorFlow's "SAME" padding: the output has ceil(size / stride).

    At a stride of two the padding depends on the size of the input, and the odd pixel goes to the right and
    to the bottom.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1
    ):
        padding = kernel_size // 2 if stride == 1 else 0
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride)); the stride is 1 or 2."""
        if self.stride[0] == 2:
            height, width = hidden.shape[2:]
            reach = self.kernel_size[0] // 2
            hidden = F.pad(hidden, (reach - 1 + width % 2, reach, reach - 1 + height % 2, reach))
        return super().forward(hidden)


class SeparableBlock(nn.Module):
    """The first block: a depthwise convolution, then a pointwise one without activation."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int, eps: float):
        super().__init__()
        self.conv_dw = SameConv2d(in_channels, in_channels, kernel_size, groups=in_channels)
        self.bn1 = nn.BatchNorm2d(in_channels, eps=eps)
        self.conv_pw = SameConv2d(in_channels, channels, 1)
        self.bn2 = nn.BatchNorm2d(channels, eps=eps)
        self.act = nn.ReLU6()
        self.skips = in_channels == channels

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C', H, W)."""
        output = self.act(self.bn1(self.conv_dw(hidden)))
        output = self.bn2(self.conv_pw(output))
        return output + hidden if self.skips else output


class InvertedResidual(nn.Module):
    """Expand the channels, convolve each by itself, and project back (Sandler et al., MobileNetV2, 2018)."""

    def __init__(
        self, in_channels: int, channels: int, kernel_size: int, stride: int, expansion: int, eps: float
    ):
        super().__init__()
        between = in_channels * expansion
        self.conv_pw = SameConv2d(in_channels, between, 1)
        self.bn1 = nn.BatchNorm2d(between, eps=eps)
        self.conv_dw = SameConv2d(between, between, kernel_size, stride, groups=between)
        self.bn2 = nn.BatchNorm2d(between, eps=eps)
        self.conv_pwl = SameConv2d(between, channels, 1)
        self.bn3 = nn.BatchNorm2d(channels, eps=eps)
        self.act = nn.ReLU6()
        self.skips = stride == 1 and in_channels == channels

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C', H / stride, W / stride), rounded up."""
        output = self.act(self.bn1(self.conv_pw(hidden)))
        output = self.act(self.bn2(self.conv_dw(output)))
        output = self.bn3(self.conv_pwl(output))
        return output + hidden if self.skips else output


class SapaEfficientNetLiteBackbone(BackboneMixin, PreTrainedModel):
    """EfficientNet-Lite without its classifier, under timm's names of its weights.

    `SapaEfficientNetLiteBackbone.from_pretrained("timm/tf_efficientnet_lite0.in1k")` starts from ImageNet,
    and so does a folder with such a file. Its photos are scaled to 0..1, then (x - 0.5) / 0.5.
    """

    config_class = SapaEfficientNetLiteConfig
    base_model_prefix = "efficientnet_lite"
    main_input_name = "pixel_values"
    has_attentions = False
    supports_gradient_checkpointing = True
    _no_split_modules = ["SeparableBlock", "InvertedResidual"]
    _keys_to_ignore_on_load_unexpected = [r"^conv_head\.", r"^bn2\.", r"^classifier\."]

    def __init__(self, config: SapaEfficientNetLiteConfig):
        super().__init__(config)
        self.num_features = config.hidden_sizes
        self.conv_stem = SameConv2d(config.num_channels, STEM_CHANNELS, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS, eps=config.batch_norm_eps)
        self.act = nn.ReLU6()
        self.halves = [group.stride == 2 for group in config.groups]
        self.blocks = nn.ModuleList()
        channels = STEM_CHANNELS
        for group in config.groups:
            blocks = CheckpointedSequential()
            for index in range(group.blocks):
                blocks.append(make_block(group, index, channels, config.batch_norm_eps))
                channels = group.channels
            self.blocks.append(blocks)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):  # as TensorFlow's release: by the fan-out of one group
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1] // module.groups
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
            return
        super()._init_weights(module)

    def forward(
        self,
        pixel_values: torch.Tensor,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> BackboneOutput | tuple:
        """Encode images.

        Args:
            pixel_values: (B, 3, H, W), any size.
            output_hidden_states: Return the maps of all five stages too.
            output_attentions: Has no effect: this encoder has no attention.
            return_dict: Return a `BackboneOutput` rather than a tuple.

        Returns:
            The maps of `config.out_features`, finest first: "stage1" is (B, C1, H/2, W/2) and "stage5"
            (B, C5, H/32, W/32), each halving rounded up.
        """
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        stages = self._stages(pixel_values)
        maps = tuple(
            stage for name, stage in zip(self.stage_names, stages, strict=True) if name in self.out_features
        )
        output = BackboneOutput(feature_maps=maps)  # type: ignore[arg-type]  # written for FloatTensor
        if wanted:
            output["hidden_states"] = stages
        as_dict = self.config.return_dict if return_dict is None else return_dict
        return output if as_dict else output.to_tuple()

    def _stages(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        hidden = self.act(self.bn1(self.conv_stem(pixel_values)))  # (B, 32, H/2, W/2)
        stages: list[torch.Tensor] = []
        for halves, blocks in zip(self.halves, self.blocks, strict=True):
            if halves:
                stages.append(hidden)
            hidden = blocks(hidden)
        return (*stages, hidden)


def make_block(group, index: int, in_channels: int, eps: float) -> nn.Module:
    """Make one block of a group; only its first has the group's stride."""
    if group.expansion == 1:
        return SeparableBlock(in_channels, group.channels, group.kernel_size, eps)
    stride = group.stride if index == 0 else 1
    return InvertedResidual(in_channels, group.channels, group.kernel_size, stride, group.expansion, eps)


__all__ = ["SapaEfficientNetLiteBackbone"]
