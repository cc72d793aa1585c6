"""A tiny trained-looking run and its published folder, for the tests of publishing."""

import json
from pathlib import Path

import torch
from transformers import SegformerImageProcessorPil

from sapa_hf import SapaSegformerConfig, SapaSegformerForSemanticSegmentation
from sapa_hf.data import get_spec
from sapa_hf.evaluation.results import write_results

TINY = {
    "depths": [1, 1, 1, 1],
    "hidden_sizes": [8, 16, 24, 32],
    "num_attention_heads": [1, 2, 3, 4],
    "decoder_hidden_size": 16,
    "upsampler_embedding_dim": 8,
}
METRICS = {
    "mean_iou": 0.4321,
    "boundary_iou": 0.2,
    "mean_accuracy": 0.5,
    "overall_accuracy": None,
    "images": 7,
}


def tiny_model(upsampler="sapa-g", **config):
    spec = get_spec("scenes")
    torch.manual_seed(0)
    names = {"id2label": spec.id2label, "label2id": {name: label for label, name in spec.id2label.items()}}
    return SapaSegformerForSemanticSegmentation(
        SapaSegformerConfig(upsampler, **TINY, **names, **config)
    ).eval()


def save_model(folder, model):
    model.save_pretrained(folder)
    SegformerImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)


def write_run(run: Path, checkpoint=None, best_step=20, classes=(), upsampler="sapa-g"):
    """A finished run with `best/`, `last/` and `results.json`."""
    model = tiny_model(upsampler)
    save_model(run / "best", model)
    last = tiny_model(upsampler)
    if best_step != 30:
        torch.nn.init.ones_(last.decode_head.classifier.bias)
    save_model(run / "last", last)
    settings = {"checkpoint": checkpoint, "output_dir": str(run.resolve())}
    training = {
        "steps": 30,
        "best_step": best_step,
        "batch": 2,
        "seed": 0,
        "recipe": "tiny",
        "settings": settings,
    }
    per_class = [{"id": 0, "name": "wall", "iou": 0.5, "boundary_iou": None, "accuracy": 0.75, "pixels": 10}]
    extra = {"split": "test", "training": training, "evaluation": {"short_side": 64}}
    metrics = METRICS | {"per_class": [*per_class, *classes]}
    write_results(run / "results.json", metrics, model, get_spec("scenes"), extra)
    return run


def edit_json(path: Path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
