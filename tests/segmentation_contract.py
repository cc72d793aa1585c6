"""Labels of every segmenter's contract: seven classes in bands, below five rows that nobody labelled."""

import torch
from model_contract import ModelContract
from transformers import AutoModelForSemanticSegmentation


class SegmentationContract(ModelContract):
    """Subclasses' tiny models have seven classes."""

    auto_class = AutoModelForSemanticSegmentation
    heads = ("decode_head",)

    def labels(self, images):
        rows = torch.arange(images.shape[2]) * 7 // images.shape[2]
        labels = rows[None, :, None].repeat(len(images), 1, images.shape[3])
        labels[:, :5] = 255
        return labels

    def unlabelled(self, images):
        return torch.full((len(images), *images.shape[2:]), 255)
