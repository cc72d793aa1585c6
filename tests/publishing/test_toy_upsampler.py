"""An upsampler made by the steps of CONTRIBUTING.md alone works in a model, its folder and its card."""

import pytest
import torch
from published import tiny_model
from transformers import AutoModelForSemanticSegmentation

from sapa_hf.complexity.formulas import FORMULAS
from sapa_hf.modeling import UPSAMPLERS, GuidedUpsampler
from sapa_hf.modeling.upsampler import OPTIONS, Entry
from sapa_hf.publishing.card import write_card


class Toy(GuidedUpsampler):
    """Project the guide and add it to the nearest position."""

    def __init__(self, guide_channels, feature_channels, border="zero"):
        super().__init__(guide_channels, feature_channels)
        self.border, self.project = border, torch.nn.Conv2d(guide_channels, feature_channels, 1)
        self.reset_parameters()

    def reset_parameters(self):
        torch.nn.init.constant_(self.project.weight, 0.25)

    def forward(self, guide, feature):
        self.check_maps(guide, feature)
        return self.project(guide) + torch.nn.functional.interpolate(feature, guide.shape[2:])


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(UPSAMPLERS, "toy", Entry(Toy, "Toy: the guide, added", ("border",)))
    monkeypatch.setitem(FORMULAS, "Toy", lambda part, guide, feature, channels: 7)


def test_a_new_upsampler_learns_is_saved_and_described(toy, tmp_path):
    model = tiny_model("toy", upsampler_border="mask").train()
    assert (model.decode_head.upsamplers[0].project.weight == 0.25).all()
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    model(torch.randn(1, 3, 64, 64), labels=labels).loss.backward()
    assert model.decode_head.upsamplers[0].project.weight.grad.any()

    model.save_pretrained(tmp_path)
    again = AutoModelForSemanticSegmentation.from_pretrained(tmp_path)
    assert isinstance(again.decode_head.upsamplers[0], Toy) and again.config.upsampler_border == "mask"
    card = write_card(tmp_path, again, results=None).read_text()
    assert "Toy: the guide, added" in card and 'border "mask"' in card


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_every_entry_says_all_about_its_upsampler(name):
    entry = UPSAMPLERS[name]
    assert issubclass(entry.module, GuidedUpsampler)
    assert entry.description.strip() and "\n" not in entry.description and len(entry.description) < 100
    assert set(entry.options) <= set(OPTIONS)
    assert entry.is_plain == (name in ("nearest", "bilinear"))
    if entry.is_plain:
        assert not any(True for _ in entry.module(4, 4).parameters())


def test_an_entry_without_a_description_cannot_be_made():
    with pytest.raises(TypeError, match="description"):
        Entry(Toy)


def test_no_two_upsamplers_share_a_description():
    assert len({entry.description for entry in UPSAMPLERS.values()}) == len(UPSAMPLERS)
