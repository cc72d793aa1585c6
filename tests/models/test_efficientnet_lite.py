"""EfficientNet-Lite: timm's own features, any size, and the folders that it can be read from."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from interpreter import run_python
from safetensors.torch import load_file, save_file
from transformers import AutoBackbone, AutoConfig, AutoModel

from sapa_hf import SapaEfficientNetLiteBackbone, SapaEfficientNetLiteConfig
from sapa_hf.modeling.configuration_sapa_efficientnet_lite import LITES
from sapa_hf.modeling.modeling_sapa_efficientnet_lite import SameConv2d

ALL = [0, 1, 2, 3, 4]
PEER = Path(__file__).parents[1] / "golden" / "peers" / "efficientnet_lite0.safetensors"


def tiny(**fields):
    config = SapaEfficientNetLiteConfig(0.25, 0.3, **{"out_indices": ALL, **fields})
    return SapaEfficientNetLiteBackbone(config).eval()


@pytest.fixture
def lite0_folder(sapa_data):
    return sapa_data / "encoders" / "tf_efficientnet_lite0"


@pytest.mark.parametrize("size", ["even", "odd"])
def test_features_are_timm_s(lite0_folder, size):
    model, report = SapaEfficientNetLiteBackbone.from_pretrained(
        lite0_folder, out_indices=ALL, dtype=torch.float64, output_loading_info=True
    )
    assert not any(report.values())
    peer = load_file(PEER)
    height, width = peer[f"{size}.size"].tolist()
    n = torch.arange(3 * height * width, dtype=torch.float64)
    with torch.no_grad():
        maps = model.eval()(torch.sin(0.37 * n).reshape(1, 3, height, width)).feature_maps
    for level, found in enumerate(maps):
        torch.testing.assert_close(found[0], peer[f"{size}.map{level}"], rtol=1e-12, atol=1e-12)


def test_lite0_has_timm_s_parameters_and_the_five_lites_their_widths():
    with torch.device("meta"):
        model = SapaEfficientNetLiteBackbone(SapaEfficientNetLiteConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_958_848
    widths = {name: SapaEfficientNetLiteConfig(*factors).hidden_sizes for name, factors in LITES.items()}
    assert widths == {
        "lite0": [16, 24, 40, 112, 320],
        "lite1": [16, 24, 40, 112, 320],
        "lite2": [16, 24, 48, 120, 352],
        "lite3": [24, 32, 48, 136, 384],
        "lite4": [24, 32, 56, 160, 448],
    }


@pytest.mark.parametrize("size", [(64, 96), (75, 101), (33, 1), (1, 1)])
def test_any_size_is_taken_and_halved_five_times_rounding_up(size):
    model = tiny()
    with torch.no_grad():
        maps = model(torch.randn(2, 3, *size)).feature_maps
    height, width = size
    for found, channels in zip(maps, model.channels, strict=True):
        height, width = -(-height // 2), -(-width // 2)
        assert found.shape == (2, channels, height, width) and found.isfinite().all()


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_padding_is_tensorflow_s_with_the_odd_pixel_at_the_end(kernel_size):
    convolution = SameConv2d(1, 1, kernel_size, stride=2)
    reach = kernel_size // 2
    even, odd = torch.randn(1, 1, 8, 8), torch.randn(1, 1, 9, 9)
    padded = F.pad(even, (reach - 1, reach, reach - 1, reach))
    assert torch.equal(convolution(even), F.conv2d(padded, convolution.weight, stride=2))
    symmetric = F.conv2d(odd, convolution.weight, stride=2, padding=reach)
    assert torch.equal(convolution(odd), symmetric)


def test_the_chosen_stages_are_given_with_their_channels():
    model, images = tiny(out_features=["stage2", "stage5"], out_indices=None), torch.randn(1, 3, 64, 64)
    output = model(images, output_hidden_states=True)
    assert model.channels == [found.shape[1] for found in output.feature_maps]
    assert [found.shape[2] for found in output.feature_maps] == [16, 2]
    assert [found.shape[2] for found in output.hidden_states] == [32, 16, 8, 4, 2]
    assert model(images).hidden_states is None
    assert isinstance(model(images, return_dict=False), tuple)
    with pytest.raises(ValueError, match="stage6"):
        SapaEfficientNetLiteConfig(out_features=["stage6"])


def test_training_reaches_every_parameter():
    model = tiny().train()
    sum(found.square().sum() for found in model(torch.randn(2, 3, 64, 64)).feature_maps).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_saved_and_loaded_it_computes_the_same(tmp_path):
    model, images = tiny(out_indices=[1, 3]), torch.randn(1, 3, 40, 56)
    model.save_pretrained(tmp_path)
    for auto in (AutoModel, SapaEfficientNetLiteBackbone):
        again = auto.from_pretrained(tmp_path).eval()
        assert type(again) is SapaEfficientNetLiteBackbone and again.out_indices == [1, 3]
        for ours, theirs in zip(again(images).feature_maps, model(images).feature_maps, strict=True):
            assert torch.equal(ours, theirs)
    config = AutoConfig.from_pretrained(tmp_path)
    assert type(AutoBackbone.from_config(config)) is SapaEfficientNetLiteBackbone


def test_it_loads_as_remote_code_where_the_package_is_not(tmp_path):
    tiny().save_pretrained(tmp_path)
    program = (
        "import sys; sys.modules['sapa_hf'] = None\n"
        "from transformers import AutoConfig, AutoBackbone\n"
        "config = AutoConfig.from_pretrained(sys.argv[1], trust_remote_code=True)\n"
        "model = AutoBackbone.from_config(config, trust_remote_code=True)\n"
        "assert type(model).__name__ == 'SapaEfficientNetLiteBackbone', type(model)\n"
    )
    done = run_python("-c", program, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_it_is_traced_whole_and_exported_with_free_sizes():
    model, images = tiny(), torch.randn(2, 3, 50, 70)
    traced = torch.compile(model, fullgraph=True, backend="eager")
    for ours, theirs in zip(traced(images).feature_maps, model(images).feature_maps, strict=True):
        torch.testing.assert_close(ours, theirs)
    sizes = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    program = torch.export.export(model, (images,), dynamic_shapes={"pixel_values": sizes}, strict=False)
    images = torch.randn(3, 3, 75, 96)
    for ours, theirs in zip(program.module()(images).feature_maps, model(images).feature_maps, strict=True):
        torch.testing.assert_close(ours, theirs)


def write_timm(folder, architecture=None):
    """A folder as timm writes it: the classifier's weights are there, and no config or timm's."""
    folder.mkdir()
    weights = SapaEfficientNetLiteBackbone(SapaEfficientNetLiteConfig()).state_dict()
    classifier = {"conv_head.weight": torch.zeros(1280, 320, 1, 1), "bn2.weight": torch.ones(1280)}
    save_file(weights | classifier, folder / "model.safetensors", metadata={"format": "pt"})
    if architecture:
        fields = {"architecture": architecture, "num_classes": 1000, "pretrained_cfg": {"mean": [0.5] * 3}}
        (folder / "config.json").write_text(json.dumps(fields))
    return weights


@pytest.mark.parametrize("architecture", [None, "tf_efficientnet_lite0"])
def test_timm_s_folders_load_with_and_without_their_config(tmp_path, architecture):
    weights = write_timm(tmp_path / "timm", architecture)
    model, report = SapaEfficientNetLiteBackbone.from_pretrained(
        tmp_path / "timm", out_indices=[1, 2], output_loading_info=True
    )
    assert not any(report.values()) and model.out_indices == [1, 2]
    assert all(torch.equal(model.state_dict()[name], value) for name, value in weights.items())


def test_each_lite_is_told_by_its_weights_names_and_shapes(tmp_path):
    for lite, factors in LITES.items():
        with torch.device("meta"):
            model = SapaEfficientNetLiteBackbone(SapaEfficientNetLiteConfig(*factors))
        header = json.dumps(
            {name: {"shape": list(v.shape)} for name, v in model.state_dict().items()}
        ).encode()
        (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
        config = SapaEfficientNetLiteConfig.from_pretrained(tmp_path)
        assert (config.width_multiplier, config.depth_multiplier) == factors, lite


def test_other_networks_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "efficientnet_lite0"}))
    with pytest.raises(ValueError, match="without tf_ pad in another way"):
        SapaEfficientNetLiteConfig.from_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    save_file({"conv.weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="are of another network"):
        SapaEfficientNetLiteConfig.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(ValueError, match="its header cannot be read"):
        SapaEfficientNetLiteConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"width_multiplier": 0}, ValueError), ({"depth_multiplier": 1e9}, ValueError),
     ({"width_multiplier": "1.0"}, TypeError), ({"depth_multiplier": float("nan")}, ValueError)],
)  # fmt: skip
def test_multipliers_that_make_no_network_are_refused(fields, error):
    with pytest.raises(error, match=next(iter(fields))):
        SapaEfficientNetLiteConfig(**fields)
