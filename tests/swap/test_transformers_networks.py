"""transformers' networks with another upsampling, without a line of theirs changed."""

import torch
from safetensors.torch import load_file
from swap_contract import CompiledContract, SwapContract, run, same
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DetrConfig,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    GLPNConfig,
    GLPNForDepthEstimation,
    MaskFormerConfig,
    MaskFormerModel,
    ResNetConfig,
    UperNetConfig,
    UperNetForSemanticSegmentation,
)

from sapa_hf import replace_upsampling

STAGES = ["stage1", "stage2", "stage3", "stage4"]
WIDTHS = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
HEADS = {"num_attention_heads": [1, 1, 2, 2], "sr_ratios": [8, 4, 2, 1]}
VIT = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
NECK = {"neck_hidden_sizes": [8, 8, 16, 16], "fusion_hidden_size": 16, "initializer_range": 0.1}


def resnet():
    return ResNetConfig(embedding_size=8, out_features=STAGES, **WIDTHS)


class TestUperNet(SwapContract):
    sites = ("decode_head#0", "decode_head#1", "decode_head#2")

    def network(self):
        config = UperNetConfig(
            backbone_config=resnet(), hidden_size=16, num_labels=7, use_auxiliary_head=False
        )
        return UperNetForSemanticSegmentation(config)


class TestGlpn(SwapContract):
    sites = tuple(f"decoder.stages.{number}.upsample" for number in range(3))

    def network(self):
        return GLPNForDepthEstimation(GLPNConfig(decoder_hidden_size=16, **WIDTHS, **HEADS))


class TestDpt(CompiledContract):
    sites = tuple(f"neck.fusion_stage.layers.{number}" for number in range(3))
    other_size = (80, 80)  # 5 x 5 patches: the residual maps are resized too

    def example(self):
        return {"pixel_values": torch.randn(2, 3, 64, 64)}

    def network(self):
        config = DPTConfig(
            image_size=64, intermediate_size=32, backbone_out_indices=[0, 1, 2, 3], **VIT, **NECK
        )
        return DPTForDepthEstimation(config)


class TestDepthAnything(SwapContract):
    sites = TestDpt.sites
    other_size = (98, 98)

    def example(self):
        return {"pixel_values": torch.randn(2, 3, 70, 70)}  # 5 x 5 patches: odd sizes in the neck

    def network(self):
        backbone = Dinov2Config(
            image_size=70, mlp_ratio=2, out_features=STAGES, reshape_hidden_states=False, **VIT
        )
        config = DepthAnythingConfig(
            backbone_config=backbone, reassemble_hidden_size=16, head_hidden_size=8, **NECK
        )
        return DepthAnythingForDepthEstimation(config)


class TestMaskFormer(SwapContract):
    sites = tuple(f"pixel_level_module.decoder.fpn.layers.{number}" for number in range(3))
    mode = "nearest"

    def network(self):
        decoder = DetrConfig(
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            num_queries=5,
            backbone_config=resnet(),
            use_timm_backbone=False,
        )
        config = MaskFormerConfig(
            backbone_config=resnet(), decoder_config=decoder, fpn_feature_size=32, mask_feature_size=32
        )
        return MaskFormerModel(config)

    def test_what_transformers_saves_is_loaded_after_from_pretrained(self, tmp_path):
        model, example, _ = self.swapped()
        model.save_pretrained(tmp_path)
        loaded = MaskFormerModel.from_pretrained(tmp_path)
        replace_upsampling(loaded, "sapa-b", example, embedding_dim=4)
        loaded.load_state_dict(load_file(tmp_path / "model.safetensors"), strict=False)
        assert same(run(loaded, example), run(model, example))
