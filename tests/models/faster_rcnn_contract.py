"""The contract of all models, kept by Faster R-CNN: run by test_faster_rcnn.py, beside torchvision."""

import torchvision_on_cpu  # noqa: F401  # before torchvision

# isort: split
from pathlib import Path

import pytest
import torch
from faster_rcnn import TINY, few_regions
from interpreter import run_python
from model_contract import ModelContract
from transformers import AutoModelForObjectDetection
from wrapping_contract import WrappingContract

from sapa_hf import SapaFasterRcnnConfig, SapaFasterRcnnForObjectDetection

TESTS = Path(__file__).parents[1]
# One of each way to upsample; the pyramid calls all of them alike, and the operators' contract has them all.
WAYS = ["bilinear", "sapa-b", "sapa-g", "carafe", "indexnet", "dysample"]


class TestSapaFasterRcnn(ModelContract):
    config_class = SapaFasterRcnnConfig
    model_class = SapaFasterRcnnForObjectDetection
    auto_class = AutoModelForObjectDetection
    heads = ("detector.backbone.fpn",)  # what is ours; the rest is torchvision's
    tiny = TINY
    upsamplers = WAYS

    def images(self, batch=2, size=(64, 96)):
        return torch.rand(batch, 3, *size)

    def labels(self, images):
        box = {"boxes": torch.tensor([[5.0, 8.0, 40.0, 44.0]]), "class_labels": torch.tensor([2])}
        return [box] * len(images)

    def unlabelled(self, images):
        return [{"boxes": torch.zeros(0, 4), "class_labels": torch.zeros(0, dtype=torch.long)}] * len(images)

    def main(self, output):
        """All boxes and scores, (n, 5)."""
        return torch.cat(
            [torch.cat((found["boxes"], found["scores"][:, None]), 1) for found in output.detections]
        )

    def make(self, **fields):
        model = super().make(**fields)
        few_regions(model.detector)
        return model

    def predict(self, model, images):
        few_regions(model.detector)
        return super().predict(model, images)

    def test_any_size_is_taken(self, upsampler):
        """Every box lies within its photo."""
        model = self.make(upsampler=upsampler)
        for height, width in ((32, 32), (75, 97), (3, 4), (31, 40)):
            found = self.predict(model, self.images(1, (height, width)))
            assert found.isfinite().all() and (found[:, :4] >= 0).all()
            assert (found[:, 2] <= width).all() and (found[:, 3] <= height).all()

    def test_an_image_below_32_pixels_is_continued_by_its_last_row_and_column(self):
        """Here it is enlarged instead, to the shortest edge, as every photo is."""
        model, images = self.make(), self.images(1, (20, 32))
        resized, _ = model.detector.transform([images[0]])
        assert resized.image_sizes == [(64, 102)]

    @pytest.mark.parametrize("shape", [(3, 64, 64), (1, 3, 0, 64), (1, 4, 64, 64)])
    def test_what_is_not_a_batch_of_images_is_refused(self, shape):
        with pytest.raises(ValueError, match=r"pixel_values must be photos \(3, H, W\), got"):
            self.make()(torch.zeros(shape))

    def test_training_reaches_every_parameter(self, upsampler):
        model, images = self.make(upsampler=upsampler).train(), self.images()
        for parameter in model.detector.backbone.fpn.parameters():
            torch.nn.init.normal_(parameter, std=0.05)  # larger ones make proposals that are not finite
        model(images, labels=self.labels(images)).loss.backward()
        assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []

    def test_loss_falls_when_trained_on_one_batch(self):
        """Losses are given in training alone; faster_rcnn.py trains."""
        model, images = self.make(), self.images()
        with pytest.raises(ValueError, match="only then, got labels in evaluation"):
            model(images, labels=self.labels(images))

    def test_batch_without_a_labelled_pixel_costs_nothing_and_keeps_its_graph(self):
        """Here it costs what is taken for an object."""
        model, images = self.make().train(), self.images()
        output = model(images, labels=self.unlabelled(images))
        output.loss.backward()
        assert output.losses["loss_box_reg"] == 0 and output.losses["loss_rpn_box_reg"] == 0
        assert output.losses["loss_classifier"] > 0
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)

    def test_saving_alone_writes_code_that_loads_where_the_package_is_not(self, tmp_path):
        model, images = self.make(), self.images(1)
        model.save_pretrained(tmp_path)
        torch.save({"images": images, "expected": self.predict(model, images)}, tmp_path / "check.pt")
        program = (
            "import sys, torch; sys.modules['sapa_hf'] = None; sys.path.append(sys.argv[2])\n"
            "import torchvision_on_cpu\n"
            "from transformers import AutoModelForObjectDetection as Auto\n"
            "check = torch.load(sys.argv[1] + '/check.pt', weights_only=True)\n"
            "model = Auto.from_pretrained(sys.argv[1], trust_remote_code=True).eval()\n"
            "assert type(model).__module__.startswith('transformers_modules'), type(model).__module__\n"
            "model.detector.rpn._post_nms_top_n = {'training': 20, 'testing': 20}\n"
            "model.detector.roi_heads.score_thresh = 0.0\n"
            "with torch.no_grad(): (found,) = model(check['images']).detections\n"
            "boxes = torch.cat((found['boxes'], found['scores'][:, None]), 1)\n"
            "torch.testing.assert_close(boxes, check['expected'])\n"
        )
        done = run_python("-c", program, tmp_path, TESTS, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]

    def test_hidden_states_attentions_and_tuples_on_request(self):
        """Its output has only detections, or the losses."""
        model, images = self.make(), self.images(1)
        (detections,) = model(images, return_dict=False)
        assert len(detections) == 1
        as_tuple = model.train()(images, labels=self.labels(images), return_dict=False)
        assert as_tuple[0].dim() == 0 and set(as_tuple[1]) >= {"loss_classifier", "loss_objectness"}

    def test_gradient_checkpointing_changes_no_gradient(self):
        """torchvision's ResNet has none."""
        with pytest.raises(ValueError, match="does not support gradient checkpointing"):
            self.make().gradient_checkpointing_enable()

    def test_whole_graph_is_traced_without_a_warm_up(self):
        """How many boxes there are depends on what is seen, and torchvision loops over them."""
        assert self.model_class.sizes_follow_values and not self.model_class._can_compile_fullgraph

    def test_bfloat16_runs_and_stays_close(self):
        """The pyramid does; which regions are chosen hangs on the last digit of a score."""
        model, images = self.make(), self.images()
        exact = model.detector.backbone(images)
        for name, level in model.bfloat16().detector.backbone(images.bfloat16()).items():
            assert level.dtype == torch.bfloat16
            assert (level.float() - exact[name]).norm() <= 0.1 * exact[name].norm() + 0.05

    def test_onnx_gives_the_same(self):
        """torchvision exports it by tracing alone, which torch gives up."""
        assert self.model_class.sizes_follow_values

    def test_a_low_rank_term_on_any_layer_of_the_head_learns_and_can_be_merged(self, upsampler):
        """By the pyramid's maps: a box comes from one of them alone."""
        WrappingContract.test_a_low_rank_term_on_any_layer_of_the_head_learns_and_can_be_merged(
            Pyramid(), upsampler
        )

    @pytest.mark.parametrize("chosen", ["bilinear", "a2u", "sapa-g"])
    def test_peft_adapts_every_layer_of_the_head(self, chosen):
        """By the pyramid's maps, as above."""
        WrappingContract.test_peft_adapts_every_layer_of_the_head(Pyramid(), chosen)


class Pyramid(TestSapaFasterRcnn):
    """Faster R-CNN that ends with its pyramid."""

    __test__ = False

    def make(self, **fields):
        model = super().make(**fields)
        model.forward = lambda images: model.detector.backbone(images)
        return model

    def main(self, output):
        """All maps, (B, n)."""
        return torch.cat([level.flatten(1) for level in output.values()], 1)
