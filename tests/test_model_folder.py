"""A folder loads only if its weights are those of its config; what is wrong is named."""

import pytest
import torch
from published import edit_json, save_model, tiny_model

from sapa_hf.load import load_model
from sapa_hf.publishing import assemble_folder


@pytest.fixture
def model_folder(tmp_path):
    save_model(tmp_path / "model", tiny_model())
    return tmp_path / "model"


def test_a_git_lfs_pointer_is_called_one(model_folder):
    (model_folder / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    )
    with pytest.raises(ValueError, match="Git LFS pointer, not the file itself: fetch it with"):
        load_model(model_folder)


def test_a_renamed_pickle_is_called_one(model_folder):
    torch.save({"weight": torch.zeros(1)}, model_folder / "model.safetensors")
    with pytest.raises(ValueError, match="PyTorch pickle under another name"):
        load_model(model_folder)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100])
def test_a_file_that_is_no_safetensors_is_named(model_folder, content):
    (model_folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors is not a whole safetensors file"):
        load_model(model_folder)


def test_a_truncated_download_is_named(model_folder):
    weights = model_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match="was the download cut short"):
        load_model(model_folder)


def test_a_bin_file_is_not_read(model_folder):
    (model_folder / "model.safetensors").rename(model_folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"pytorch_model\.bin is a pickle and is not read"):
        load_model(model_folder)


def test_weights_in_several_files_load(tmp_path):
    model = tiny_model()
    model.save_pretrained(tmp_path, max_shard_size="30KB")
    assert not (tmp_path / "model.safetensors").exists()
    loaded = load_model(tmp_path).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in model.state_dict().items())


def test_another_variants_config_lists_missing_and_unexpected(model_folder):
    edit_json(model_folder / "config.json", upsampler="sapa-i")
    with pytest.raises(
        ValueError, match=r"upsampler 'sapa-i'.*unexpected: decode_head\.upsamplers\.0\.gate\.bias"
    ):
        load_model(model_folder)


def test_a_plain_models_weights_lack_the_upsamplers(tmp_path):
    save_model(tmp_path, tiny_model("bilinear"))
    edit_json(tmp_path / "config.json", upsampler="sapa-g")
    with pytest.raises(ValueError, match=r"missing: decode_head\.upsamplers\.0\.gate\.bias.*and \d+ more"):
        load_model(tmp_path)


def test_another_width_lists_both_shapes(model_folder):
    edit_json(model_folder / "config.json", upsampler_embedding_dim=4)
    with pytest.raises(ValueError, match=r"of another shape: .*key\.weight \(\(8, 16\) for \(4, 16\)\)"):
        load_model(model_folder)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_config_that_names_a_kernel_is_refused(model_folder, key):
    edit_json(model_folder / "config.json", **{key: "someone/kernel"})
    with pytest.raises(ValueError, match="asks for compiled code"):
        load_model(model_folder)


def test_a_foreign_model_is_refused_before_anything_is_loaded(model_folder):
    edit_json(model_folder / "config.json", model_type="bert")
    with pytest.raises(ValueError, match="type 'bert' cannot be published from here; the families are"):
        assemble_folder(model_folder, model_folder / "hub")


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ("[]", "must hold an object")])
def test_a_broken_config_is_named(model_folder, text, message):
    (model_folder / "config.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_model(model_folder)
