"""What MaskFormer and Mask2Former promise beside the contract of all models, or in place of a part of it."""

import copy

import pytest
import torch
from accelerate import cpu_offload
from segmentation_contract import SegmentationContract
from transformers import AutoModelForUniversalSegmentation, MaskFormerImageProcessorPil

from sapa_hf.modeling.universal_segmentation import masks_of

LITE = {"model_type": "sapa_efficientnet_lite", "width_multiplier": 0.25, "depth_multiplier": 0.3}
DETR = {"model_type": "detr", "d_model": 64, "decoder_layers": 2, "num_queries": 10}
HEADS = {"decoder_ffn_dim": 32, "encoder_ffn_dim": 32}
MASKFORMER = {  # smaller than real ones in all but the names
    "decoder_config": DETR | HEADS | {"decoder_attention_heads": 2, "encoder_attention_heads": 2},
    "fpn_feature_size": 64,
    "mask_feature_size": 64,
}
MASK2FORMER = {
    "feature_size": 64,
    "mask_feature_size": 64,
    "hidden_dim": 64,
    "encoder_feedforward_dim": 32,
    "dim_feedforward": 32,
    "encoder_layers": 1,
    "decoder_layers": 3,
    "num_attention_heads": 2,
    "num_queries": 10,
    "train_num_points": 256,
}


class UniversalContract(SegmentationContract):
    """Subclasses also name transformers' class, and the upsampler that is its own."""

    auto_class = AutoModelForUniversalSegmentation
    stock_class = None
    stock_config_class = None
    own = ""  # the upsampler of transformers' model
    sites = ""  # prefix of the upsamplers' parameters
    stride = 4

    def test_batch_without_a_labelled_pixel_costs_nothing_and_keeps_its_graph(self):
        """Here it costs that no query may name a class: MaskFormer's loss of an image without objects."""
        model, images = self.make().train(), self.images()
        loss = model(images, labels=self.unlabelled(images)).loss
        assert loss.item() > 0
        loss.backward()
        assert model.class_predictor.weight.grad.isfinite().all() and model.class_predictor.weight.grad.any()

    @pytest.mark.slow
    def test_whole_graph_is_traced_without_a_warm_up(self):
        """Without labels: with them, scipy matches queries to masks."""
        torch.compiler.reset()
        model, images = self.make(), self.images()
        traced = torch.compile(model, fullgraph=True, backend="eager")
        torch.testing.assert_close(traced(images).logits, model(images).logits)

    def test_offloaded_to_memory_it_computes_the_same(self, upsampler):
        """The pixel decoder: transformers reads the queries' weights without calling their layer."""
        model, images = self.scattered(upsampler), self.images(1)
        expected = self.predict(model, images)
        decoder = model.model.pixel_level_module.decoder
        cpu_offload(decoder, execution_device=torch.device("cpu"))
        assert all(parameter.is_meta for parameter in decoder.parameters())
        torch.testing.assert_close(self.predict(model, images), expected)

    def stock(self, folder, **fields):
        """transformers' own model, saved and loaded again."""
        fields = copy.deepcopy(self.tiny | fields)  # transformers takes fields out of the dicts it is given
        model = self.stock_class(self.stock_config_class(**fields))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        model.save_pretrained(folder)
        return self.stock_class.from_pretrained(folder).eval()

    @pytest.mark.parametrize("encoder", ["resnet", "swin"])
    def test_its_own_upsampler_equals_transformers_bit_for_bit(self, encoder, tmp_path):
        stock = self.stock(tmp_path / "stock", backbone_config=ENCODERS[encoder])
        ours, report = self.model_class.from_pretrained(
            tmp_path / "stock", upsampler=self.own, output_loading_info=True
        )
        assert not any(report.values())
        masks, classes = masks_of(self.labels(torch.zeros(2, 3, 97, 131)), 255)
        for size in ((64, 96), (97, 131)):
            images = torch.randn(2, 3, *size)
            with torch.no_grad():
                found, expected = ours.eval()(images), stock(images)
            assert torch.equal(found.class_queries_logits, expected.class_queries_logits)
            assert torch.equal(found.masks_queries_logits, expected.masks_queries_logits)
        losses = []
        for model in (ours, stock):
            torch.manual_seed(0)  # Mask2Former's loss looks at random points
            losses.append(model(images, mask_labels=masks, class_labels=classes).loss)
        torch.testing.assert_close(*losses)

    def test_sapa_starts_from_transformers_model_with_only_its_own_parameters_new(self, tmp_path):
        self.stock(tmp_path / "stock", backbone_config=ENCODERS["swin"])
        ours, report = self.model_class.from_pretrained(
            tmp_path / "stock", upsampler="sapa-g", upsampler_embedding_dim=8, output_loading_info=True
        )
        assert report["missing_keys"] and all(self.is_upsampler(name) for name in report["missing_keys"])
        assert not report["unexpected_keys"] and not report["mismatched_keys"]
        ours.save_pretrained(tmp_path / "ours")
        again, report = self.model_class.from_pretrained(tmp_path / "ours", output_loading_info=True)
        assert not any(report.values())
        images = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(self.predict(again.eval(), images), self.predict(ours.eval(), images))

    def is_upsampler(self, name):
        return name.startswith(self.sites) and ".upsampler." in name

    def test_a_map_of_labels_becomes_the_masks_and_classes_of_transformers_processor(self):
        labels = torch.randint(0, 7, (1, 40, 50))
        labels[:, :9] = 255
        processor = MaskFormerImageProcessorPil(do_resize=False, ignore_index=255, size_divisor=1)
        batch = processor(torch.zeros(3, 40, 50), segmentation_maps=labels[0], return_tensors="pt")
        masks, classes = masks_of(labels, 255)
        assert torch.equal(masks[0], batch["mask_labels"][0])
        assert torch.equal(classes[0], batch["class_labels"][0])

    def test_semantic_scores_decide_as_transformers_processor_does(self):
        model, images = self.make(), self.images(1, (64, 96))
        with torch.no_grad():
            output = model(images)
        (expected,) = MaskFormerImageProcessorPil().post_process_semantic_segmentation(
            output, target_sizes=[(64, 96)]
        )
        resized = torch.nn.functional.interpolate(
            output.logits, size=(64, 96), mode="bilinear", align_corners=False
        )
        assert (resized.argmax(1)[0] == expected).float().mean() > 0.999  # equals may be decided by rounding

    def test_labels_in_both_forms_are_refused(self):
        model, images = self.make(), self.images()
        labels = self.labels(images)
        masks, classes = masks_of(labels, 255)
        with pytest.raises(ValueError, match="must not be given together"):
            model(images, labels=labels, mask_labels=masks, class_labels=classes)

    def test_half_precision_weights_are_refused_where_masks_are_matched(self):
        model, images = self.make().bfloat16(), self.images()
        with pytest.raises(ValueError, match="must be float32 where labels are given, got torch.bfloat16"):
            model(images.bfloat16(), labels=self.labels(images))
        with torch.no_grad():
            assert model(images.bfloat16()).logits.dtype == torch.bfloat16

    def test_auxiliary_predictions_are_returned_on_request_alone(self):
        model, images = self.make(use_auxiliary_loss=True), self.images(1)
        assert model(images).auxiliary_logits is None
        (first, *_) = model(images, output_auxiliary_logits=True).auxiliary_logits
        assert first["masks_queries_logits"].shape[-2:] == (16, 24)


STAGES = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}
WIDTHS = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
ENCODERS = {
    "resnet": {"model_type": "resnet", "embedding_size": 8, **WIDTHS, **STAGES},
    "swin": {
        "model_type": "swin",
        "embed_dim": 8,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2],
        "window_size": 4,
        **STAGES,
    },
}
