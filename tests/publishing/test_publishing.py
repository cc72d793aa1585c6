"""Publishing: what is refused, what the card says, and under which licence."""

import copy
import json
import re
import runpy

import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from published import METRICS, edit_json, save_model, tiny_model, write_run
from safetensors.torch import load_file, save_file

import sapa_hf.publishing.card
from sapa_hf.modeling import UPSAMPLERS
from sapa_hf.provenance import weights_digest
from sapa_hf.publishing import assemble_folder, find_model, find_results, recorded_base
from sapa_hf.publishing.card import set_revision, write_card
from sapa_hf.publishing.licence import licence_for
from sapa_hf.scripts.publish import main


@pytest.fixture(autouse=True)
def small_count(monkeypatch):
    """Count FLOPs at a small size, which is quick."""
    monkeypatch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))


@pytest.fixture
def model_folder(tmp_path):
    save_model(tmp_path / "model", tiny_model())
    return tmp_path / "model"


def publish(tmp_path, results="found", **options):
    run = write_run(
        tmp_path / "run", **{key: options.pop(key) for key in ("checkpoint", "classes") if key in options}
    )
    results = find_results(run) if results == "found" else results
    return assemble_folder(run / "best", tmp_path / "hub" / "tiny-model", results, **options)


def test_the_card_shows_the_measured_results(tmp_path):
    folder = publish(tmp_path)
    card = ModelCard.load(folder / "README.md")
    results = {result.metric_type: result for result in card.data.eval_results}
    assert results["mean_iou"].metric_value == METRICS["mean_iou"]
    assert results["mean_iou"].dataset_name == "scenes" and results["mean_iou"].dataset_split == "test"
    assert "overall_accuracy" not in results  # it was not measured
    assert "| mean IoU | 43.21 |" in card.text and "| wall | 50.00 | - | 75.00 |" in card.text
    assert card.data.pipeline_tag == "image-segmentation" and "sapa-g" in card.data.tags
    assert "arxiv:2209.12866" in card.data.tags and "https://arxiv.org/abs/2209.12866" in card.text
    assert card.data.datasets is None  # "scenes" is not on the Hub
    assert "Not measured" not in card.text


def test_without_results_the_card_says_so_and_claims_nothing(tmp_path):
    folder = publish(tmp_path, results=None)
    card = ModelCard.load(folder / "README.md")
    assert "**Not measured.**" in card.text and card.data.eval_results is None
    assert not (folder / "results.json").exists()
    assert "## Results" not in card.text


def test_the_papers_numbers_are_called_the_papers(tmp_path):
    card = ModelCard.load(publish(tmp_path) / "README.md")
    assert "not for this model: the paper's SegFormer-B1" in card.text
    assert all(result.metric_value <= 0.5 for result in card.data.eval_results)


def test_the_card_counts_parameters_and_flops(tmp_path):
    text = ModelCard.load(publish(tmp_path) / "README.md").text
    parameters = sum(p.numel() for p in tiny_model().parameters())
    assert f"| this model, as it computes | {parameters / 1e6:.3f} |" in text
    assert "its 6 upsamplers alone" in text and "Table 1 counts two" in text


MIXING = (  # channels, or sampling where they like; and the plain model, which is transformers'
    *("bilinear", "deconv", "pixel_shuffle", "pixel_tcl", "bilinear_additive"),
    *("dysample", "sapa-d", "fade"),
)


@pytest.mark.parametrize("name", [name for name in UPSAMPLERS if name != "max_unpool"])
def test_the_card_says_of_every_upsampler_what_it_is(tmp_path, name):
    model = tiny_model(name)
    text = write_card(tmp_path, model, None).read_text()
    affiliates = name in ("sapa-i", "sapa-b", "sapa-g", "sapa-p")
    assert ("upsamples by similarity" in text) == affiliates
    assert ("the plain model" in text) == (name in ("nearest", "bilinear"))
    (line,) = [line for line in text.splitlines() if line.startswith("- Upsampler: ")]
    assert ("kernel size 5" in line) == (affiliates or name in ("gaussian", "carafe", "fade"))
    assert ("embedding dimension 8" in line) == (affiliates and name != "sapa-i")
    assert ("fuses the stages before" in text) == (name not in MIXING)


def test_the_card_names_several_heads_and_not_the_usual_one(tmp_path):
    assert "heads" not in write_card(tmp_path, tiny_model("sapa-g"), None).read_text()
    text = write_card(tmp_path, tiny_model("sapa-g", upsampler_heads=2), None).read_text()
    assert ", 2 heads" in text and "fuses the stages before" not in text


def test_class_names_cannot_break_the_card(tmp_path):
    name = "a|b\n# <script>`x`"
    row = {"id": 1, "name": name, "iou": 0.1, "boundary_iou": 0.1, "accuracy": 0.1, "pixels": 1}
    text = ModelCard.load(publish(tmp_path, classes=[row]) / "README.md").text
    assert "| a\\|b # &lt;script&gt;\\`x\\` | 10.00 |" in text


@pytest.mark.parametrize("base", ["nvidia/mit-b1", "nvidia/segformer-b1-finetuned-ade-512-512"])
def test_nvidias_weights_keep_nvidias_licence(tmp_path, base):
    folder = publish(tmp_path, checkpoint=base)
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "other" and card.data.base_model == base
    assert "NVlabs/SegFormer" in card.data.license_link
    assert "no commercial use" in card.text and "no commercial use" in (folder / "LICENSE").read_text()


def test_licence_follows_the_start_of_the_training():
    assert licence_for("scratch").fields == {"license": "apache-2.0"}
    assert licence_for("someone/model").fields == {"license": "other", "base_model": "someone/model"}
    assert licence_for(None).fields == {"license": "other"}
    assert "no licence is granted" in licence_for(None).text
    local = licence_for("/home/me/checkpoints/mine")
    assert local.fields == {"license": "other"} and "/home" not in local.text and "mine" in local.text


def test_from_scratch_is_apache(tmp_path):
    card = ModelCard.load(publish(tmp_path) / "README.md")
    assert card.data.license == "apache-2.0" and "Started from: random weights" in card.text


def test_published_results_tell_no_local_path(tmp_path):
    folder = publish(tmp_path)
    assert str(tmp_path) not in (folder / "results.json").read_text()
    assert str(tmp_path) not in (folder / "README.md").read_text()
    assert json.loads((folder / "results.json").read_text())["training"]["settings"]["output_dir"] == "run"


def test_results_of_another_model_are_refused(tmp_path):
    results = find_results(write_run(tmp_path / "other", upsampler="sapa-b"))
    with pytest.raises(ValueError, match="results file is another model's: upsampler is 'sapa-b'"):
        publish(tmp_path, results=results)


@pytest.mark.parametrize("shards", [{}, {"max_shard_size": "30KB"}], ids=["one file", "sharded"])
def test_results_that_measured_other_weights_are_never_offered(tmp_path, shards):
    run = write_run(tmp_path / "run")
    results = find_results(run)
    model = tiny_model()
    torch.nn.init.ones_(model.decode_head.classifier.bias)
    for file in (run / "best").glob("*.safetensors"):
        file.unlink()
    model.save_pretrained(run / "best", **shards)
    assert results and find_results(run) is None
    with pytest.raises(ValueError, match="results file is another model's: weights is"):
        assemble_folder(run / "best", tmp_path / "hub", results)


def test_results_hold_for_the_same_weights_in_several_files(tmp_path):
    run = write_run(tmp_path / "run")
    (run / "best" / "model.safetensors").unlink()
    tiny_model().save_pretrained(run / "best", max_shard_size="30KB")
    assert find_results(run)


def test_results_without_a_digest_of_the_weights_are_not_offered(tmp_path):
    run = write_run(tmp_path / "run")
    results = json.loads((run / "results.json").read_text())
    digest = results["model"].pop("weights")
    edit_json(run / "results.json", model=results["model"])
    assert len(digest) == 64 and find_results(run) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_digest_of_half_precision_weights_is_that_of_their_values(dtype):
    half = tiny_model().to(dtype)
    assert weights_digest(half) == weights_digest(copy.deepcopy(half).float())
    assert weights_digest(half) != weights_digest(tiny_model())


def test_last_weights_have_results_only_if_they_are_the_best(tmp_path):
    run = write_run(tmp_path / "run", best_step=20)
    assert find_results(run, "best") and find_results(run, "last") is None
    assert find_results(write_run(tmp_path / "run2", best_step=30), "last")
    assert find_results(run, str(run / "best")) is None  # a folder has a file of its own
    assert recorded_base(run, "best") == recorded_base(run, "last") == "scratch"
    assert recorded_base(write_run(tmp_path / "run3", "nvidia/mit-b1"), "last") == "nvidia/mit-b1"
    with pytest.raises(FileNotFoundError, match="Has the run finished"):
        find_model(tmp_path)


def test_nothing_is_overwritten_unasked(tmp_path):
    folder = publish(tmp_path)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty: choose another folder"):
        publish(tmp_path)
    publish(tmp_path, overwrite=True, results=None)
    assert (folder / "notes.txt").read_text() == "mine" and not (folder / "results.json").exists()
    with pytest.raises(ValueError, match="is the model folder itself"):
        assemble_folder(folder, folder, overwrite=True)


def test_a_missing_processor_is_named(tmp_path):
    tiny_model().save_pretrained(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="save the image processor beside the model"):
        assemble_folder(tmp_path / "model", tmp_path / "hub")


def run_example(folder, tmp_path, monkeypatch):
    """Run the card's example on a photo, with the folder in place of the repository."""
    set_revision(folder, "0123456789" * 4)
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL).group(1)
    assert f'revision = "{"0123456789" * 4}"' in code
    assert "trust_remote_code=True" in code and "revision=revision" in code
    monkeypatch.chdir(tmp_path)
    Image.new("L", (50, 40)).save("photo.jpg")
    (tmp_path / "example.py").write_text(re.sub('repository = ".*"', f'repository = "{folder}"', code))
    return runpy.run_path("example.py")


def test_the_example_in_the_card_runs(tmp_path, monkeypatch):
    folder = publish(tmp_path, repo_id="someone/tiny-model")
    assert 'repository = "someone/tiny-model"' in (folder / "README.md").read_text()
    assert run_example(folder, tmp_path, monkeypatch)["labels"].shape == (40, 50)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_example_of_a_model_for_other_images_runs(tmp_path, monkeypatch, dtype):
    save_model(tmp_path / "model", tiny_model(num_channels=4).to(dtype))
    folder = assemble_folder(tmp_path / "model", tmp_path / "hub")
    set_revision(folder, "0" * 40)
    text = (folder / "README.md").read_text()
    assert "reads images of 4 channels" in text and ("- Weights: " in text) == (dtype != torch.float32)
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    (tmp_path / "example.py").write_text(code.replace("ORGANISATION/NAME", str(folder)).replace("512", "64"))
    monkeypatch.chdir(tmp_path)
    logits = runpy.run_path("example.py")["outputs"].logits
    assert logits.dtype == dtype and logits.isfinite().all()


def test_the_example_of_a_half_precision_model_runs(tmp_path, monkeypatch):
    save_model(tmp_path / "model", tiny_model().to(torch.bfloat16))
    folder = assemble_folder(tmp_path / "model", tmp_path / "hub")
    assert run_example(folder, tmp_path, monkeypatch)["labels"].shape == (40, 50)
    weights = load_file(folder / "model.safetensors").values()
    assert {weight.dtype for weight in weights if weight.is_floating_point()} == {torch.bfloat16}


@pytest.mark.parametrize("commit", ["main", "0123456", "g" * 40])
def test_a_revision_is_a_full_commit_hash(tmp_path, commit):
    with pytest.raises(ValueError, match="40 hexadecimal digits"):
        set_revision(publish(tmp_path, results=None), commit)


def test_weights_are_published_bit_for_bit(tmp_path):
    folder = publish(tmp_path)
    saved, published = (load_file(path / "model.safetensors") for path in (tmp_path / "run" / "best", folder))
    assert saved.keys() == published.keys()
    assert all(torch.equal(saved[key], published[key]) for key in saved)


def test_the_script_says_in_a_line_what_is_wrong(tmp_path, model_folder):
    weights = load_file(model_folder / "model.safetensors")
    weights.pop("decode_head.classifier.bias")
    save_file(weights, model_folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SystemExit, match=r"publish: The weights in .*missing: decode_head\.classifier\.bias"):
        main(["--model", str(model_folder), "--output_dir", str(tmp_path / "hub")])
    with pytest.raises(SystemExit):
        main(["--run", "x", "--output_dir", "y", "--push"])
