"""The one loader: what it refuses, and how it says so."""

import json
import shutil

import pytest
import torch
import transformers
from published import edit_json, save_model, tiny_model
from safetensors.torch import load_file, save_file
from tiny_segmentation import tiny_model as stock_model

from sapa_hf.load import load_for_photos, load_model, load_processor


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save_model(folder, tiny_model())
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def edit_weights(folder, edit):
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_a_missing_weight_is_named_and_never_random(folder):
    edit_weights(folder, lambda weights: weights.pop("decode_head.classifier.weight"))
    with pytest.raises(ValueError, match=r"1 missing: decode_head\.classifier\.weight"):
        load_model(folder)


def test_an_unexpected_weight_is_named(folder):
    edit_weights(folder, lambda weights: weights.update({"decode_head.more": torch.zeros(3)}))
    with pytest.raises(ValueError, match=r"1 unexpected: decode_head\.more"):
        load_model(folder)


def test_a_weight_of_another_shape_is_named(folder):
    edit_weights(folder, lambda weights: weights.update({"decode_head.classifier.bias": torch.zeros(3)}))
    with pytest.raises(ValueError, match=r"1 of another shape: decode_head\.classifier\.bias \(\(3,\) for"):
        load_model(folder)


def test_a_stock_model_is_loaded_as_strictly(tmp_path):
    stock_model().save_pretrained(tmp_path)
    assert isinstance(load_model(tmp_path), transformers.SegformerForSemanticSegmentation)
    edit_weights(tmp_path, lambda weights: weights.pop("decode_head.classifier.bias"))
    with pytest.raises(ValueError, match=r"1 missing: decode_head\.classifier\.bias"):
        load_model(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_computed_in_single_precision(tmp_path, dtype):
    save_model(tmp_path, tiny_model().to(dtype))
    assert load_model(tmp_path).dtype == torch.float32
    assert load_model(tmp_path, dtype="auto").dtype == dtype
    assert torch.isfinite(load_model(tmp_path)(torch.randn(1, 3, 32, 32)).logits).all()


@pytest.mark.parametrize(
    "fields",
    [
        {"attn_implementation": "someone/kernel"},
        {"_attn_implementation": "flash_attention_2"},
        {"_attn_implementation_internal": "kernels-community/flash-attn2"},
        {"attn_implementation": {"": "flash_attention_3"}},
        {"experts_implementation": "someone/kernel"},
        {"backbone_config": {"attn_implementation": "someone/kernel"}},
        {"use_kernels": True},
        {"parts": [{"inner": {"_attn_implementation": "someone/kernel"}}]},
    ],
)
@pytest.mark.parametrize("model_type", ["sapa_segformer", "segformer", "unheard_of"])
def test_a_config_of_any_class_that_asks_for_compiled_code_is_refused(folder, fields, model_type):
    edit_json(folder / "config.json", model_type=model_type, **fields)
    with pytest.raises(ValueError, match="asks for compiled code"):
        load_model(folder)


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_implementations_of_torch_are_not_refused(folder, implementation):
    edit_json(folder / "config.json", attn_implementation=implementation)
    load_model(folder)


@pytest.mark.parametrize(
    "name",
    [
        "./nowhere",
        "../nowhere/model",
        "/nowhere/model",
        "~/nowhere",
        "nowhere",
        "runs/nowhere/best",
        "runs\\nowhere",
        "C:\\models\\best",
        "file:///nowhere",
        "",
    ],
)
def test_a_path_is_never_asked_of_the_hub(name, monkeypatch, tmp_path):
    monkeypatch.setattr(
        "sapa_hf.load.PretrainedConfig.get_config_dict", lambda *_, **__: pytest.fail("asked")
    )
    monkeypatch.chdir(tmp_path)
    for load in (load_model, load_processor):
        with pytest.raises(FileNotFoundError, match="no such folder|has no config.json"):
            load(name)


def test_a_missing_folder_beside_others_is_not_asked_of_the_hub(folder, monkeypatch):
    monkeypatch.chdir(folder.parent.parent)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_model(f"{folder.parent.name}/other")


def test_what_is_no_model_folder_is_called_what_it_is(folder, tmp_path):
    with pytest.raises(NotADirectoryError, match=r"config\.json is a file: give the folder that holds it"):
        load_model(folder / "config.json")
    run = tmp_path / "run"
    shutil.copytree(folder, run / "best")
    with pytest.raises(FileNotFoundError, match="is the folder of a run: give its model, .*best"):
        load_model(run)
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        load_model(tmp_path)
    (folder / "config.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(ValueError, match=r"config\.json is a Git LFS pointer"):
        load_model(folder)


def test_weights_are_read_from_the_folder_only(folder):
    index = {"metadata": {}, "weight_map": {"a": "../other/model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="must name files beside it"):
        load_model(folder)


def test_a_config_with_values_that_its_model_does_not_take_is_a_value_error(folder):
    edit_json(folder / "config.json", model_type="segformer", num_channels="three")
    with pytest.raises(ValueError, match="num_channels"):
        load_model(folder)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_model_for_other_images_than_photos_says_so(tmp_path, channels):
    save_model(tmp_path, tiny_model(num_channels=channels))
    with pytest.raises(
        ValueError, match=rf"photos have 3 channels here, but .* takes {channels} \(num_channels"
    ):
        load_for_photos(tmp_path)
