"""`torch.hub.load` from a checkout, in a process where sapa_hf is not installed."""

import json
from pathlib import Path

import pytest
import torch
from interpreter import run_python

from sapa_hf import SapaSegformerConfig, SapaSegformerForSemanticSegmentation, modeling, publishing

ROOT = Path(__file__).parents[1]
TINY = {
    "depths": [1, 1, 1, 1],
    "hidden_sizes": [8, 8, 16, 16],
    "num_attention_heads": [1, 1, 2, 2],
    "decoder_hidden_size": 8,
}
STRANGER = """
import json, sys
repository, publishing, saved, fields = sys.argv[1:]
sys.path.insert(0, publishing)
from bare_load import Absent
sys.meta_path.insert(0, Absent())
import torch

def load(*arguments, **options):
    return torch.hub.load(repository, *arguments, source="local", **options)

upsampler = load("upsampler", "sapa-b", 8, 16, embedding_dim=4)
upsampled = upsampler(torch.randn(1, 8, 9, 12), torch.randn(1, 16, 5, 6))
model = load("sapa_segformer", saved).eval()
with torch.no_grad():
    logits = model(torch.ones(1, 3, 64, 64)).logits
fresh = load("sapa_segformer", num_labels=3, **json.loads(fields))
print(json.dumps([list(upsampled.shape), logits.flatten().tolist(), fresh.config.num_labels]))
"""


def test_every_model_has_a_door():
    doors = (ROOT / "hubconf.py").read_text()
    for name in modeling.__all__:
        model, _, task = name.rpartition("For")
        if task[0].isupper() and model:  # "Former" is no task
            assert f'_model("{model}", "{task}"' in doors, name


@pytest.mark.slow
def test_checkout_that_is_not_installed_serves_upsamplers_and_models(tmp_path):
    torch.manual_seed(0)
    config = SapaSegformerConfig(upsampler="sapa-g", upsampler_embedding_dim=4, num_labels=5, **TINY)
    model = SapaSegformerForSemanticSegmentation(config).eval()
    model.save_pretrained(tmp_path / "saved")
    with torch.no_grad():
        expected = model(torch.ones(1, 3, 64, 64)).logits
    package = Path(publishing.__file__).parent
    done = run_python("-c", STRANGER, ROOT, package, tmp_path / "saved", json.dumps(TINY), cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    shape, logits, classes = json.loads(done.stdout.splitlines()[-1])
    assert (shape, classes) == ([1, 16, 9, 12], 3)
    torch.testing.assert_close(torch.tensor(logits).view_as(expected), expected)
