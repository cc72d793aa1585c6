import copy

import pytest
import torch
import torch.nn.utils.prune
from safetensors import safe_open
from segmentation_contract import SegmentationContract
from transformers import (
    SegformerConfig,
    SegformerForImageClassification,
    SegformerForSemanticSegmentation,
)

from sapa_hf import SapaSegformerConfig, SapaSegformerForSemanticSegmentation

TINY = {
    "hidden_sizes": [8, 16, 16, 24],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 2, 2],
    "decoder_hidden_size": 24,
    "num_labels": 7,
}


class TestSapaSegformer(SegmentationContract):
    config_class = SapaSegformerConfig
    model_class = SapaSegformerForSemanticSegmentation
    stride = 4
    tiny = TINY


@pytest.fixture
def stock(tmp_path):
    """transformers' own SegFormer with running statistics that matter, and the folder it was saved to."""
    model = SegformerForSemanticSegmentation(SegformerConfig(**TINY)).eval()
    model.decode_head.batch_norm.running_mean.normal_()
    model.decode_head.batch_norm.running_var.uniform_(0.5, 2)
    folder = tmp_path / "stock"
    model.save_pretrained(folder)
    return model, folder


def load(folder, **fields):
    model, report = SapaSegformerForSemanticSegmentation.from_pretrained(
        folder, output_loading_info=True, **fields
    )
    return model.eval(), report


def names(folder):
    with safe_open(folder / "model.safetensors", "pt") as file:
        return set(file.keys())


@pytest.mark.parametrize("size", [(64, 96), (75, 97), (32, 41)])
def test_bilinear_equals_transformers_bit_for_bit(stock, size):
    model, folder = stock
    ours, report = load(folder, upsampler="bilinear")
    assert not any(report.values())
    images, labels = torch.randn(2, 3, *size), torch.randint(0, 7, (2, *size))
    assert torch.equal(ours(images).logits, model(images).logits)
    torch.testing.assert_close(ours(images, labels=labels).loss, model(images, labels=labels).loss)


def test_bilinear_saves_the_hubs_names_which_transformers_loads(stock, tmp_path):
    model, folder = stock
    ours, _ = load(folder, upsampler="bilinear")
    ours.save_pretrained(tmp_path / "ours")
    assert names(tmp_path / "ours") == names(folder)
    assert "decode_head.linear_c.0.proj.weight" in names(folder)
    back, report = SegformerForSemanticSegmentation.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(report.values())
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(back.eval()(images).logits, model(images).logits)


@pytest.mark.parametrize(
    ("upsampler", "tensors"), [("sapa-i", 0), ("sapa-b", 8), ("sapa-g", 12), ("sapa-p", 10)]
)
def test_any_upsampler_starts_from_a_segformer_with_only_its_own_parameters_new(stock, upsampler, tensors):
    ours, report = load(stock[1], upsampler=upsampler)
    new = {f"decode_head.upsamplers.{name}" for name, _ in ours.decode_head.upsamplers.named_parameters()}
    assert len(new) == 6 * tensors
    assert set(report["missing_keys"]) == new
    assert not report["unexpected_keys"] and not report["mismatched_keys"]


def test_imagenet_encoder_starts_a_model_with_the_data_sets_labels(tmp_path):
    fields = {**TINY, "num_labels": 1000}
    classifier = SegformerForImageClassification(SegformerConfig(**fields))
    classifier.save_pretrained(tmp_path)
    id2label = dict(enumerate(["road", "sky", "tree"]))
    ours, report = load(tmp_path, id2label=id2label, label2id={v: k for k, v in id2label.items()})
    assert ours.config.id2label == id2label and ours.decode_head.classifier.out_channels == 3
    head = {name for name in ours.state_dict() if name.startswith("decode_head.")}
    assert set(report["missing_keys"]) == head
    assert set(report["unexpected_keys"]) == {"classifier.weight", "classifier.bias"}
    trunk = classifier.segformer.state_dict()
    assert all(torch.equal(value, trunk[name]) for name, value in ours.segformer.state_dict().items())


def test_paper_sized_models_have_the_papers_parameters():
    def count(**fields):
        with torch.device("meta"):
            model = SapaSegformerForSemanticSegmentation(
                SapaSegformerConfig(hidden_sizes=[64, 128, 320, 512], num_labels=150, **fields)
            )
        return sum(p.numel() for p in model.parameters())

    bare = count(upsampler="bilinear")
    assert bare == 13_715_798
    extra = {
        (name, d): count(upsampler=name, upsampler_embedding_dim=d) - bare
        for name in ("sapa-i", "sapa-b", "sapa-g")
        for d in (64, 32)
    }
    assert extra == {
        ("sapa-i", 64): 0,
        ("sapa-i", 32): 0,
        ("sapa-b", 64): 203_520,
        ("sapa-b", 32): 104_832,
        ("sapa-g", 64): 303_750,
        ("sapa-g", 32): 155_718,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "depths",
    [(2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 18, 3), (3, 8, 27, 3), (3, 6, 40, 3)],
    ids=["b0", "b2", "b3", "b4", "b5"],
)
def test_every_size_of_segformer_is_made_by_config(depths):
    with torch.device("meta"):
        model = SapaSegformerForSemanticSegmentation(SapaSegformerConfig(depths=depths))
        assert model(torch.empty(1, 3, 64, 64, device="meta")).logits.shape == (1, 2, 16, 16)


def test_fusing_before_the_last_step_equals_concatenating_after_it():
    model = TestSapaSegformer().make(upsampler="sapa-g").double()
    head, images = model.decode_head, torch.randn(1, 3, 64, 96, dtype=torch.float64)
    stages = [
        p(h)
        for p, h in zip(head.linear_c, model(images, output_hidden_states=True).hidden_states, strict=True)
    ]
    up, (c1, c2, c3, c4) = head.upsamplers, stages
    c4 = up[2](c1, up[1](c2, up[0](c3, c4)))
    c3 = up[4](c1, up[3](c2, c3))
    c2 = up[5](c1, c2)
    concatenated = head.linear_fuse(torch.cat([c4, c3, c2, c1], dim=1))
    torch.testing.assert_close(head._climb_and_fuse(stages), concatenated)


@pytest.mark.parametrize(("value", "shown"), [(7, r"\[7\]"), (-100, r"\[-100\]"), (254, r"\[254\]")])
def test_labels_out_of_range_are_refused_naming_them(value, shown):
    case = TestSapaSegformer()
    images = case.images()
    labels = case.labels(images)
    labels[0, 10, 10] = value
    with pytest.raises(ValueError, match=f"0 to 6, or 255 where ignored; got {shown}"):
        case.make()(images, labels=labels)


def test_labels_of_another_shape_are_refused():
    case = TestSapaSegformer()
    images = case.images()
    with pytest.raises(ValueError, match=r"\(B, h, w\) with B = 2.*\(2, 1, 64, 96\)"):
        case.make()(images, labels=case.labels(images)[:, None])


def test_inner_similarity_runs_because_the_head_projects_to_one_width():
    case = TestSapaSegformer()
    assert case.predict(case.make(upsampler="sapa-i"), case.images()).shape == (2, 7, 16, 24)


def test_an_encoder_with_too_few_stages_is_refused():
    with pytest.raises(ValueError, match="hidden_sizes must have one entry for each of the 4 encoder stages"):
        SapaSegformerConfig(hidden_sizes=[8, 16, 16])


def test_one_class_alone_is_refused_as_labels():
    model = SapaSegformerForSemanticSegmentation(SapaSegformerConfig(**TINY | {"num_labels": 1}))
    with pytest.raises(ValueError, match="num_labels must be at least 2 where labels are given, got 1"):
        model(torch.zeros(1, 3, 32, 32), labels=torch.zeros(1, 32, 32, dtype=torch.long))


def test_attention_can_be_chosen_as_in_transformers():
    ours, theirs = SapaSegformerForSemanticSegmentation, SegformerForSemanticSegmentation
    flags = ["sdpa", "flash_attn", "flex_attn", "attention_backend"]
    assert [getattr(ours, f"_supports_{name}") for name in flags] == [
        getattr(theirs, f"_supports_{name}") for name in flags
    ]
    config = SapaSegformerConfig(**TINY)
    config._attn_implementation = "eager"
    eager = SapaSegformerForSemanticSegmentation(config).eval()
    images = torch.randn(1, 3, 64, 64)
    expected = eager(images).logits
    eager.set_attn_implementation("sdpa")
    torch.testing.assert_close(eager(images).logits, expected)


def test_what_a_hook_makes_of_a_stages_output_reaches_the_head():
    model, images = TestSapaSegformer().make(), torch.randn(1, 3, 64, 96)
    plain = model(images).logits
    for stage in model.segformer.stages:
        stage.register_forward_hook(lambda _stage, _inputs, output: 2 * output)
    stages, hidden = [], images
    for stage in model.segformer.stages:
        hidden = stage(hidden)
        stages.append(hidden)
    output = model(images, output_hidden_states=True)
    assert all(torch.equal(*pair) for pair in zip(output.hidden_states, stages, strict=True))
    assert torch.equal(output.logits, model.decode_head(stages)) and not torch.allclose(output.logits, plain)


def test_parametrised_or_pruned_weights_of_the_fusion_are_used():
    model, images = TestSapaSegformer().make(), torch.randn(1, 3, 64, 96)
    expected = model(images).logits
    fusion = model.decode_head.linear_fuse
    torch.nn.utils.parametrizations.weight_norm(fusion)
    torch.testing.assert_close(model(images).logits, expected)
    torch.nn.utils.parametrize.remove_parametrizations(fusion, "weight")
    with torch.no_grad():
        half = torch.ones_like(fusion.weight)
        half[:, ::2] = 0
        masked = copy.deepcopy(model)
        masked.decode_head.linear_fuse.weight *= half
    torch.nn.utils.prune.custom_from_mask(fusion, "weight", half)
    torch.testing.assert_close(model(images).logits, masked(images).logits)
