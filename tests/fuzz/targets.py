"""What is fed with damaged files, and what counts as right."""

import json
from pathlib import Path
from random import Random

import torch
from huggingface_hub import ModelCard
from PIL import Image
from published import save_model, tiny_model, write_run

import sapa_hf.publishing.card
from sapa_hf.evaluation import read_results
from sapa_hf.load import load_model
from sapa_hf.predict import load_predictor
from sapa_hf.predict.files import predict_files
from sapa_hf.publishing.card import write_card
from sapa_hf.publishing.folder import publishable

from .damage import damaged_json, damaged_weights
from .images import hostile_image


class ModelFolder:
    """A model folder of which one file is damaged: it loads and computes, or is refused."""

    def __init__(self, scratch: Path, name: str):
        save_model(scratch, tiny_model())
        self.folder, self.file = scratch, scratch / name
        self.good = self.file.read_bytes()

    def damage(self, random: Random) -> None:
        """Write a damaged file."""
        weights = self.file.suffix == ".safetensors"
        data = damaged_weights(random, self.good) if weights else damaged_json(random, json.loads(self.good))
        self.file.write_bytes(data)

    def run(self) -> None:
        """Load the model and run it once."""
        model = load_model(str(self.folder))
        channels = getattr(model.config, "num_channels", 3)
        with torch.no_grad():
            logits = model(torch.zeros(1, channels, 64, 64)).logits
        assert logits.shape[:2] == (1, model.config.num_labels), "logits of another shape"


class ResultsFile:
    """A damaged results file: the card shows it as text, or it is refused."""

    def __init__(self, scratch: Path):
        sapa_hf.publishing.card.SIZE = (32, 32)  # quick to count
        self.file = write_run(scratch) / "results.json"
        self.good, self.model, self.folder = json.loads(self.file.read_text()), tiny_model(), scratch

    def damage(self, random: Random) -> None:
        """Write a damaged file."""
        self.file.write_bytes(damaged_json(random, self.good))

    def run(self) -> None:
        """Write the card of these results, and read it back."""
        results = publishable(read_results(self.file))
        json.dumps(results, allow_nan=False)
        card = ModelCard.load(write_card(self.folder, self.model, results, base_model="scratch"))
        assert card.data.license == "apache-2.0" and card.text.count("\n## ") == 7, "the card lost its form"


class Photo:
    """An image file from anywhere: predict writes pictures of its size, or names it as failed."""

    def __init__(self, scratch: Path):
        save_model(scratch / "model", tiny_model())
        self.predictor, self.folder = load_predictor(str(scratch / "model")), scratch
        self.file = scratch / "none"

    def damage(self, random: Random) -> None:
        """Write a hostile image."""
        ending, data = hostile_image(random)
        self.file.unlink(missing_ok=True)
        self.file = self.folder / f"photo{ending}"
        self.file.write_bytes(data)

    def run(self) -> None:
        """Predict the file."""
        failures = predict_files(self.predictor, [self.file], self.folder / "out", progress=False)
        if failures:
            raise ValueError(f"{self.file}: {failures[self.file]}")
        pictures = list((self.folder / "out").iterdir())
        assert pictures and all(Image.open(picture).size[0] > 0 for picture in pictures), "no picture"


TARGETS = {
    "config.json": lambda scratch: ModelFolder(scratch, "config.json"),
    "results.json": ResultsFile,
    "safetensors": lambda scratch: ModelFolder(scratch, "model.safetensors"),
    "images": Photo,
}
