"""Run by test_round_trip.py with sapa_hf and a token: upload a model twice, a data set, a metric
and a kernel.

Usage: `publisher.py REPORT.json MODEL_FOLDER OTHER_MODEL KERNEL_REPOSITORY`.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import evaluate
import torch
from huggingface_hub import HfApi, get_session
from huggingface_hub.constants import ENDPOINT, HF_HUB_CACHE

from sapa_hf import SapaSegformerForSemanticSegmentation
from sapa_hf.data import get_spec, load_split
from sapa_hf.kernels import upload
from sapa_hf.load import load_model
from sapa_hf.metrics import mean_iou
from sapa_hf.publishing import push_folder

report_path, folder, other, kernel = sys.argv[1:]
api, report = HfApi(), {}


def broken(pattern, call):
    """Give what a call says when the Hub breaks off all requests of a kind; nothing is waited for."""
    get_session().post(f"{ENDPOINT}/test/breaks", json={pattern: 10**6})
    try:
        with mock.patch("time.sleep"):
            return f"nothing: {call()}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        get_session().post(f"{ENDPOINT}/test/breaks", json={})


# A model, as sapa-publish uploads it; then other weights, as transformers does.
for place in ("PUT /store/", "POST /api/models/someone/tiny/commit/"):
    report[place] = broken(place, lambda: push_folder(folder, "someone/tiny", private=True))
    report[f"commits after {place}"] = len(api.list_repo_commits("someone/tiny"))
report["first"] = push_folder(folder, "someone/tiny", private=True)
report["card"] = broken("/commit/", lambda: push_folder(folder, "someone/tiny"))
model = SapaSegformerForSemanticSegmentation.from_pretrained(other)
report["second"] = model.push_to_hub("someone/tiny").oid
report["download"] = broken("GET /store/", lambda: load_model("someone/tiny", report["first"]))
cache = Path(HF_HUB_CACHE, "models--someone--tiny")
report["half"] = [
    file.name for file in cache.rglob("*") if file.name.endswith((".incomplete", ".safetensors"))
]
loaded = load_model("someone/tiny", report["first"], trust_remote_code=True)
report["loaded"] = [type(loaded).__module__, loaded.config.upsampler]

# A data set, and a metric where `evaluate` looks for one.
scenes = get_spec("scenes", options={"count": 3, "eval_count": 2, "size": 24})
load_split(scenes, "train").push_to_hub("someone/rooms", split="train")
commit = api.dataset_info("someone/rooms").sha
again = load_split(replace(scenes, path="someone/rooms", revision=commit), "train")
report["rows"] = [row["image"]["bytes"][:4] == b"\x89PNG" for row in again]
api.create_repo("someone/mean_iou", repo_type="space", space_sdk="gradio")
metric = api.upload_folder(
    repo_id="someone/mean_iou",
    repo_type="space",
    folder_path=Path(mean_iou.__file__).parent,
    allow_patterns=["*.py"],
).oid
labels = [torch.tensor([[0, 1], [1, 1]]).numpy()]
score = evaluate.load("someone/mean_iou", revision=metric).compute(
    predictions=labels, references=labels, num_labels=2, ignore_index=255
)
report["mean_iou"] = float(score["mean_iou"])

# The kernel, as if it had been compiled for every machine.
upload.machine_needs = lambda library: []
report["kernel"] = upload.push_repository(Path(kernel), "someone/sapa")
again = upload.push_repository(Path(kernel), "someone/sapa")
report["kernel_again"] = again

Path(report_path).write_text(json.dumps(report))
