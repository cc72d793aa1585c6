"""SAPA-A2U matting: the paper's parameters, what the trimap decides, and the loss."""

import pytest
import torch
import torch.nn.functional as F
from model_contract import ModelContract
from safetensors.torch import save_file
from transformers import AutoModelForImageMatting

from sapa_hf import SapaA2uMattingConfig, SapaA2uMattingForImageMatting
from sapa_hf.modeling import resnet34_names
from sapa_hf.modeling.matting_encoder import MattingEncoder
from sapa_hf.modeling.matting_loss import matting_loss
from sapa_hf.modeling.padding import reflect_to_multiple

TINY = {"hidden_sizes": [8, 8, 12, 16], "depths": [1, 2, 2]}


class TestSapaA2uMatting(ModelContract):
    config_class = SapaA2uMattingConfig
    model_class = SapaA2uMattingForImageMatting
    auto_class = AutoModelForImageMatting
    heads = ("decode_head",)
    output = "alphas"
    rounding = 1e-4  # of maps larger than the alphas that are cut from them
    half_rounding = 0.3  # small differences of large maps, with a random network
    tiny = TINY | {"upsampler_embedding_dim": 8, "dropout": 0.0}

    def make(self, **fields):
        return self.fitted(super().make(**fields))

    def scattered(self, *args, **fields):
        return self.fitted(super().scattered(*args, **fields))

    def fitted(self, model):
        """Fit a network's averages to its weights: else nearly every alpha is clipped."""
        model.train()
        norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            model(self.images())
        for norm in norms:
            norm.momentum = 0.1
        return model.eval()

    def images(self, batch=2, size=(64, 96)):
        trimap = torch.full((batch, 1, *size), 128 / 255)
        return torch.cat([torch.randn(batch, 3, *size), trimap], dim=1)

    def labels(self, images):
        alpha = torch.rand(len(images), *images.shape[2:])
        alpha[:, :5] = float("nan")
        return alpha

    def unlabelled(self, images):
        return torch.full((len(images), *images.shape[2:]), float("nan"))

    def test_an_image_below_32_pixels_is_continued_by_its_last_row_and_column(self):
        """Here an image is mirrored, up to a multiple of 16."""
        model, images = self.make(), self.images(1, (20, 48))
        mirrored = F.pad(images, (0, 0, 0, 12), mode="reflect")
        torch.testing.assert_close(self.predict(model, images), self.predict(model, mirrored)[..., :20, :])

    def test_what_the_trimap_knows_is_taken_from_it_and_the_rest_is_clipped(self):
        model, images = self.make(), self.images(1)
        images[:, 3, :20], images[:, 3, 20:30] = 0, 1
        model.decode_head.prediction[-1].weight.data.mul_(3.0)
        alphas = self.predict(model, images)
        assert (alphas[..., :20, :] == 0).all() and (alphas[..., 20:30, :] == 1).all()
        assert alphas.min() >= 0 and alphas.max() <= 1 and len(alphas[..., 30:, :].unique()) > 1

    def test_an_image_without_a_trimap_is_refused(self):
        with pytest.raises(ValueError, match="pixel_values must have 4 channels.*got 3"):
            self.make()(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize(
    ("upsampler", "embedding_dim", "parameters"),
    [
        ("bilinear", 64, 8_049_003),
        ("sapa-b", 64, 8_049_003 + 68_096),
        ("sapa-g", 64, 8_049_003 + 101_636),
        ("sapa-b", 32, 8_049_003 + 35_072),
        ("sapa-g", 32, 8_049_003 + 52_100),
        ("carafe", 64, 8_049_003 + 263_824),
        ("a2u", 64, 8_049_003 + 21_656),
        ("dysample", 64, 8_049_003 + 16_512),
    ],
)
def test_it_has_the_paper_s_parameters(upsampler, embedding_dim, parameters):
    with torch.device("meta"):
        config = SapaA2uMattingConfig(upsampler=upsampler, upsampler_embedding_dim=embedding_dim)
        model = SapaA2uMattingForImageMatting(config)
    assert model.num_parameters() == parameters


def test_the_four_guides_double_from_an_eighth_to_the_whole():
    encoder = MattingEncoder([8, 8, 12, 16], [1, 2, 2]).eval()
    maps = encoder(torch.randn(1, 4, 64, 96))
    assert [tuple(guide.shape[1:]) for guide in maps.guides] == [
        (8, 64, 96), (8, 32, 48), (12, 16, 24), (16, 8, 12)
    ]  # fmt: skip
    assert [tuple(stage.shape[2:]) for stage in maps.stages] == [(64, 96), (16, 24), (8, 12), (4, 6)]


def test_resnet_34_starts_the_encoder_and_leaves_only_the_trimap_new(tmp_path):
    model = SapaA2uMattingForImageMatting(SapaA2uMattingConfig(**TINY))
    weights = {}
    for name, value in model.encoder.state_dict().items():
        if not name.startswith("trimap_conv"):
            stage, _, rest = name.partition(".")
            if stage in ("pooling2", "pooling3"):
                name = f"layer{stage[-1]}.0.{rest}"
            elif stage in ("layer2", "layer3"):
                block, _, rest = rest.partition(".")
                name = f"{stage}.{int(block) + 1}.{rest}"
            weights[name] = torch.rand_like(value) if value.is_floating_point() else value
    save_file(
        weights | {"layer4.0.conv1.weight": torch.zeros(2), "fc.weight": torch.zeros(5, 16)},
        tmp_path / "model.safetensors",
        {"format": "pt"},
    )
    loaded, report = SapaA2uMattingForImageMatting.from_pretrained(
        tmp_path,
        config=SapaA2uMattingConfig(**TINY),
        key_mapping=resnet34_names(TINY["depths"]),
        output_loading_info=True,
    )
    assert {key for key in report["missing_keys"] if key.startswith("encoder")} == {
        "encoder.trimap_conv.weight"
    }
    assert set(report["unexpected_keys"]) == {"layer4.0.conv1.weight", "fc.weight"}
    assert torch.equal(loaded.encoder.conv1.weight, weights["conv1.weight"])
    assert torch.equal(loaded.encoder.pooling3.conv1.weight, weights["layer3.0.conv1.weight"])
    assert torch.equal(loaded.encoder.layer3[0].conv2.weight, weights["layer3.1.conv2.weight"])


def test_an_image_smaller_than_what_it_lacks_is_mirrored_back_and_forth():
    row = torch.arange(5.0).expand(1, 1, 3, 5)
    wide = reflect_to_multiple(row, 16)
    assert wide.shape[2:] == (16, 16)
    assert wide[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1]
    assert torch.equal(reflect_to_multiple(row, 4), F.pad(row, (0, 3, 0, 1), mode="reflect"))
    whole = torch.zeros(1, 1, 16, 32)
    assert reflect_to_multiple(whole, 16) is whole


def test_the_loss_is_a_loop_over_unknown_pixels():
    alpha = torch.randn(2, 1, 6, 7, dtype=torch.float64)
    labels = torch.rand(2, 7, 6, 7, dtype=torch.float64)
    trimap = torch.randint(0, 3, (2, 1, 6, 7)) / 2.0
    losses = []
    for b in range(2):
        alphas, compositions, count = 0.0, 0.0, 1
        for y, x in (trimap[b, 0] == 0.5).nonzero().tolist():
            t, p = labels[b, 0, y, x], alpha[b, 0, y, x]
            alphas += ((p - t) ** 2 + 1e-12) ** 0.5
            front, back = labels[b, 1:4, y, x], labels[b, 4:, y, x]
            error = (p * front + (1 - p) * back) - (t * front + (1 - t) * back)
            compositions += ((error**2 + 1e-12) ** 0.5).sum()
            count += 1
        losses.append((alphas / count, compositions / count))
    by_alpha, by_composition = (sum(parts) / 2 for parts in zip(*losses, strict=True))
    found = matting_loss(alpha, trimap, labels, 0.5)
    torch.testing.assert_close(found, ((by_alpha + by_composition) / 2).float())
    torch.testing.assert_close(matting_loss(alpha, trimap, labels[:, 0], 0.5), by_alpha.float())


@pytest.mark.parametrize(
    ("labels", "error"),
    [(torch.zeros(1, 4, 4, dtype=torch.uint8), TypeError), (torch.zeros(1, 3, 4, 4), ValueError)],
)
def test_labels_that_are_not_alpha_are_refused(labels, error):
    with pytest.raises(error, match="labels must be alpha"):
        matting_loss(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), labels, 0.5)


@pytest.mark.parametrize(
    "fields",
    [
        {"num_channels": 3},
        {"hidden_sizes": [8, 8, 8]},
        {"hidden_sizes": [7, 8, 8, 8]},
        {"depths": [1, 1]},
        {"dropout": 2},
        {"composition_weight": -1},
    ],
)
def test_configs_that_make_no_a2u_are_refused(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        SapaA2uMattingConfig(**fields)


def test_new_weights_let_alpha_rise():
    model = SapaA2uMattingForImageMatting(SapaA2uMattingConfig(**TINY))
    assert torch.equal(model.decode_head.prediction[1].weight, torch.full((1, 1, 3, 3), 1 / 9))
    assert (model.encoder.conv1.weight < 0).any()
