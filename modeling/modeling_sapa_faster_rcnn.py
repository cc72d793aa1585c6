"""Faster R-CNN for object detection with a choice of upsampler."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers.utils import ModelOutput

from .configuration_sapa_faster_rcnn import SapaFasterRcnnConfig
from .feature_pyramid import SapaFeaturePyramid
from .pretrained import UpsamplingPreTrainedModel
from .upsampler_config import config_options

ANCHOR_SIZES = ((32,), (64,), (128,), (256,), (512,))  # pixels, one for each level
ASPECT_RATIOS = (0.5, 1.0, 2.0)
IMPORT_HINT = (
    "Faster R-CNN needs torchvision, which cannot be imported here: {}. Install sapa-hf[detection] beside a "
    "torch of the same source: torchvision 0.28 goes with torch 2.13, 0.29 with 2.14, and PyPI's torchvision "
    "does not work with a torch built for CPUs alone."
)


@dataclass
class ObjectDetectionOutput(ModelOutput):
    """What Faster R-CNN gives.

    Attributes:
        loss: In training, the sum of the losses.
        losses: In training, the four losses by torchvision's names.
        detections: Else, for each image "boxes" (n, 4) as x1, y1, x2, y2 in its pixels, "scores" (n,) from
            high to low, and "labels" (n,), 0 to num_labels - 1.
    """

    loss: torch.Tensor | None = None
    losses: dict[str, torch.Tensor] | None = None
    detections: list[dict[str, torch.Tensor]] | None = None


class SapaFasterRcnnForObjectDetection(UpsamplingPreTrainedModel):
    """torchvision's Faster R-CNN, whose feature pyramid upsamples by `config.upsampler`.

    With "nearest" the detections equal torchvision's bit for bit, and any upsampler starts from one of its
    checkpoints. As in mmdetection's, the ResNet's batch normalisation keeps its averages in training.

    Raises:
        ImportError: torchvision cannot be imported.
    """

    config_class = SapaFasterRcnnConfig
    base_model_prefix = "detector"
    supports_gradient_checkpointing = False
    sizes_follow_values = True  # of what it computes: it has as many boxes as it finds
    # torchvision's detection checkpoints have frozen normalisation, which does not count batches.
    _keys_to_ignore_on_load_missing = [r"num_batches_tracked"]

    def __init__(self, config: SapaFasterRcnnConfig):
        super().__init__(config)
        self.detector = build_detector(config)
        backbone = self.detector.backbone
        backbone.fpn = SapaFeaturePyramid(  # type: ignore[union-attr]
            backbone.fpn,  # type: ignore[union-attr, arg-type]
            backbone.out_channels,  # type: ignore[union-attr, arg-type]
            config.upsampler,
            **config_options(config),
        )
        self.post_init()

    def train(self, mode: bool = True):
        """Choose training or evaluation; the ResNet's averages are kept in both."""
        super().train(mode)
        for module in self.detector.backbone.body.modules():  # type: ignore[union-attr]
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Linear):
            module.reset_parameters()  # as torchvision leaves them

    def init_convolution(self, convolution: nn.Conv2d) -> None:
        """Draw the weights as torchvision does: of the proposals, the pyramid, and the ResNet."""
        if _contains(self.detector.rpn, convolution):  # type: ignore[arg-type]
            nn.init.normal_(convolution.weight, std=0.01)
        elif _contains(self.detector.backbone.fpn, convolution):  # type: ignore[union-attr, arg-type]
            nn.init.kaiming_uniform_(convolution.weight, a=1)
        else:
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self,
        pixel_values: torch.Tensor | Sequence[torch.Tensor],
        labels: Sequence[dict[str, torch.Tensor]] | None = None,
        return_dict: bool | None = None,
    ) -> ObjectDetectionOutput | tuple:
        """Find objects; in training, measure how far they are from the true ones.

        Args:
            pixel_values: Photos (3, H, W) from 0 to 1, of any sizes, as a batch or a list. They are
                normalised and resized inside.
            labels: In training, for each photo "boxes" (n, 4) as x1, y1, x2, y2 in its pixels and
                "class_labels" (n,) from 0 to num_labels - 1; n may be 0.
            return_dict: Return an `ObjectDetectionOutput` rather than a tuple.

        Returns:
            In training the losses, else the detections: torchvision's network computes one or the other.

        Raises:
            ValueError: The photos or the labels are not as said, or labels are missing in training or given
                outside of it.
        """
        images = list(pixel_values)
        for image in images:
            if image.dim() != 3 or image.shape[0] != 3 or not image.numel():
                raise ValueError(f"pixel_values must be photos (3, H, W), got {tuple(image.shape)}.")
        if self.training != (labels is not None):
            got = "none in training" if self.training else "labels in evaluation"
            raise ValueError(
                f"labels must be given in training, and only then, got {got}. Call train() or eval()."
            )
        if labels is not None:
            classes: int = self.config.num_labels  # type: ignore[assignment]  # never None
            targets = torchvision_targets(labels, len(images), classes)
            losses = self.detector(images, targets)
            output = ObjectDetectionOutput(loss=torch.stack(list(losses.values())).sum(), losses=losses)
        else:
            detections = self.detector(images)
            output = ObjectDetectionOutput(
                detections=[found | {"labels": found["labels"] - 1} for found in detections]  # 0: background
            )
        as_dict = self.config.return_dict if return_dict is None else return_dict
        return output if as_dict else output.to_tuple()


def build_detector(config: SapaFasterRcnnConfig) -> nn.Module:
    """Make torchvision's Faster R-CNN without weights.

    Raises:
        ImportError: torchvision cannot be imported.
    """
    try:
        from torchvision.models.detection import FasterRCNN
        from torchvision.models.detection.anchor_utils import AnchorGenerator
        from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    except (ImportError, RuntimeError) as error:  # RuntimeError: its operators were built for another torch
        raise ImportError(IMPORT_HINT.format(error)) from error

    def norm(channels: int) -> nn.BatchNorm2d:
        return nn.BatchNorm2d(channels, eps=config.batch_norm_eps)

    backbone = resnet_fpn_backbone(
        backbone_name=config.backbone,
        weights=None,
        norm_layer=norm,
        trainable_layers=config.trainable_layers,
    )
    with torch.device("cpu"):  # anchors are no buffers: made on "meta", loading would never fill them
        anchors = AnchorGenerator(ANCHOR_SIZES, (ASPECT_RATIOS,) * len(ANCHOR_SIZES))
    return FasterRCNN(
        backbone,
        config.num_labels + 1,  # type: ignore[operator]  # and the background
        min_size=config.shortest_edge,
        max_size=config.longest_edge,
        rpn_anchor_generator=anchors,
    )


def torchvision_targets(
    labels: Sequence[dict[str, torch.Tensor]], images: int, classes: int
) -> list[dict[str, torch.Tensor]]:
    """Check the labels of a batch, and count classes as torchvision does: from 1.

    Raises:
        ValueError: They are not one for each image, or boxes or classes are wrong.
    """
    if len(labels) != images:
        raise ValueError(f"labels must be one for each of the {images} images, got {len(labels)}.")
    targets = []
    for label in labels:
        boxes, names = label["boxes"], label["class_labels"]
        if boxes.dim() != 2 or boxes.shape[1] != 4 or names.shape != boxes.shape[:1]:
            raise ValueError(
                "labels must have boxes (n, 4) and class_labels (n,), got "
                f"{tuple(boxes.shape)} and {tuple(names.shape)}."
            )
        if not (boxes[:, 2:] > boxes[:, :2]).all() or not boxes.isfinite().all():
            raise ValueError(
                "boxes must be finite x1, y1, x2, y2 with x1 < x2 and y1 < y2. Leave out empty ones."
            )
        if names.is_floating_point() or ((names < 0) | (names >= classes)).any():
            raise ValueError(f"class_labels must be integers from 0 to {classes - 1}, got {names.tolist()}.")
        targets.append({"boxes": boxes.float(), "labels": names.long() + 1})
    return targets


def _contains(part: nn.Module, module: nn.Module) -> bool:
    return any(module is one for one in part.modules())


__all__ = ["SapaFasterRcnnForObjectDetection"]
