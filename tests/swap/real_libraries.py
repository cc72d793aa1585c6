"""Networks of segmentation_models.pytorch, timm and torchvision: run by test_real_libraries.py.

It runs in a process of its own, because beside a PyTorch for CPUs alone torchvision can only be imported with
two of its operators declared here, by their signatures; neither is called.
"""

import os
import sys

import torch

sys.path.append(os.environ["SAPA_TEST_LIBRARIES"])
declared = torch.library.Library("torchvision", "DEF")
declared.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
declared.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import pytest  # noqa: E402
import segmentation_models_pytorch as smp  # noqa: E402
from swap_contract import SwapContract  # noqa: E402
from torch import nn  # noqa: E402
from torchvision.ops import FeaturePyramidNetwork  # noqa: E402

from sapa_hf import find_upsampling, replace_upsampling  # noqa: E402

SMALL = {"encoder_name": "resnet18", "encoder_weights": None, "classes": 4, "encoder_depth": 4}


class LibraryContract(SwapContract):
    mode = "nearest"

    def example(self):
        return torch.randn(2, 3, 32, 64)


class TestUnet(LibraryContract):
    sites = tuple(f"decoder.blocks.{number}" for number in range(3))

    def network(self):
        return smp.Unet(decoder_channels=(32, 24, 16, 8), **SMALL)


class TestUnetOnTimm(TestUnet):
    def network(self):
        settings = SMALL | {"encoder_name": "tu-mobilenetv3_small_050"}
        return smp.Unet(decoder_channels=(32, 24, 16, 8), **settings)


class TestUnetPlusPlus(LibraryContract):
    sites = tuple(f"decoder.blocks.x_{name}" for name in ("0_0", "1_1", "2_2", "0_1", "1_2", "0_2"))

    def network(self):
        return smp.UnetPlusPlus(decoder_channels=(32, 24, 16, 8), **SMALL)


class TestFpn(LibraryContract):
    sites = ("decoder.p4", "decoder.p3", "decoder.p2")

    def network(self):
        settings = SMALL | {"encoder_depth": 5}
        return smp.FPN(decoder_pyramid_channels=32, decoder_segmentation_channels=32, **settings)


class TestDeepLabV3Plus(LibraryContract):
    sites = ("decoder.up",)
    mode = "bilinear"

    def network(self):
        return smp.DeepLabV3Plus(decoder_channels=32, **SMALL | {"encoder_depth": 5})


class Pyramid(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(nn.Conv2d(c, 2 * c, 3, 2, 1) for c in (4, 8, 16))
        self.stem, self.fpn = nn.Conv2d(3, 4, 3, padding=1), FeaturePyramidNetwork([8, 16, 32], 12)

    def forward(self, image):
        maps, feature = {}, self.stem(image)
        for number, stage in enumerate(self.stages):
            feature = maps[str(number)] = stage(feature)
        return tuple(self.fpn(maps).values())


class TestTorchvisionFpn(LibraryContract):
    sites = ("fpn#0", "fpn#1")

    def network(self):
        return Pyramid()


def test_a_step_that_pools_the_enlarged_map_first_is_refused():
    model = smp.MAnet(decoder_channels=(32, 24, 16, 8), **SMALL)
    with pytest.raises(ValueError, match="goes into adaptive_avg_pool2d before it is merged"):
        replace_upsampling(model, "sapa-b", torch.randn(1, 3, 32, 32))


def test_maps_that_are_all_enlarged_for_one_merge_are_replaced_where_they_are_named():
    model, image = smp.Segformer(**SMALL | {"encoder_depth": 5}).eval(), torch.randn(1, 3, 64, 64)
    names = [site.name for site in find_upsampling(model, image) if "at once" in site.reason]
    assert len(names) == 3
    table = replace_upsampling(model, "sapa-b", image, sites=names, embedding_dim=4)
    assert [site.feature[2] for site in table.replaced] == [2, 4, 8]
    assert model(image).shape == (1, 4, 64, 64)


def test_linknet_s_transposed_convolutions_are_replaced_when_asked():
    model, image = smp.Linknet(**SMALL).eval(), torch.randn(1, 3, 32, 32)
    table = replace_upsampling(model, "sapa-b", image, transposed=True)
    assert {site.kind.function for site in table.replaced} == {"conv_transpose2d"} and len(
        table.replaced
    ) == 3
    assert model(image).isfinite().all()
