"""What enters a model for a photo is what the saved processor makes of it, or the field is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_depth import GLPN
from tiny_segmentation import tiny_model
from tiny_training import train
from transformers import (
    AutoImageProcessor,
    DPTImageProcessorPil,
    GLPNConfig,
    GLPNForDepthEstimation,
    GLPNImageProcessorPil,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessorPil,
    ViTImageProcessorPil,
)

from sapa_hf.predict import load_predictor
from sapa_hf.tasks import DepthTask, SegmentationTask
from sapa_hf.tasks.depth import WholeDepth
from sapa_hf.tasks.photo_input import PhotoInput
from sapa_hf.tasks.segmentation import WholeImage
from sapa_hf.training import parse_arguments

PHOTO = np.random.default_rng(0).integers(0, 256, (70, 100, 3), dtype=np.uint8)
PROCESSORS = {
    "square": SegformerImageProcessorPil(size={"height": 64, "width": 64}),
    "height and width": SegformerImageProcessorPil(size={"height": 48, "width": 96}),
    "one number": SegformerImageProcessorPil(size=40),
    "shortest edge": SegformerImageProcessorPil(size={"shortest_edge": 50}),
    "shortest and longest edge": SegformerImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 80}),
    "no resizing": SegformerImageProcessorPil(do_resize=False),
    "no rescaling": SegformerImageProcessorPil(do_rescale=False),
    "another factor": SegformerImageProcessorPil(rescale_factor=1 / 127.5),
    "no normalising": SegformerImageProcessorPil(do_normalize=False),
    "values as they are": SegformerImageProcessorPil(do_normalize=False, do_rescale=False),
    "another mean": SegformerImageProcessorPil(image_mean=[0.1, 0.2, 0.3], image_std=[0.3, 0.2, 0.1]),
    "nearest": SegformerImageProcessorPil(resample=Image.Resampling.NEAREST),
    "bicubic": SegformerImageProcessorPil(resample=Image.Resampling.BICUBIC),
    "reduced labels": SegformerImageProcessorPil(do_reduce_labels=True),
    "glpn": GLPNImageProcessorPil(),
    "glpn, other divisor": GLPNImageProcessorPil(size_divisor=16),
    "dpt": DPTImageProcessorPil(size={"height": 64, "width": 64}),
    "dpt, ratio kept": DPTImageProcessorPil(
        size={"height": 64, "width": 64}, keep_aspect_ratio=True, ensure_multiple_of=32
    ),
}


@pytest.mark.parametrize("whole", [WholeImage, WholeDepth])
@pytest.mark.parametrize("name", PROCESSORS)
def test_pixel_values_are_those_of_the_saved_processor(whole, name, tmp_path):
    PROCESSORS[name].save_pretrained(tmp_path)
    processor = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    expected = PROCESSORS[name](PHOTO, return_tensors="pt")["pixel_values"].float()
    inference = whole(processor)
    assert torch.equal(inference.pixel_values(PHOTO), expected)
    assert inference.input_size(PHOTO.shape[:2]) == tuple(expected.shape[-2:])


@pytest.mark.parametrize(
    ("processor", "field"),
    [
        (ViTImageProcessorPil(do_center_crop=True, crop_size={"height": 64, "width": 64}), "do_center_crop"),
        (DPTImageProcessorPil(do_pad=True, size_divisor=32), "do_pad"),
        (SegformerImageProcessorPil(size={"longest_edge": 64}), "size="),
        (SegformerImageProcessorPil(image_mean=[0.5] * 4, image_std=[0.5] * 4), "mean"),
    ],
)
def test_a_field_that_would_not_be_followed_is_refused(processor, field):
    for whole in (WholeImage, WholeDepth):
        with pytest.raises(ValueError, match=f"saved .*{field}"):
            whole(processor)


def test_a_short_side_takes_the_place_of_the_processors_size_and_leaves_it_the_rest():
    processor = SegformerImageProcessorPil(do_rescale=False, resample=Image.Resampling.NEAREST)
    values = PhotoInput(processor, short_side=35).pixel_values(PHOTO)
    resized = Image.fromarray(PHOTO).resize((50, 35), Image.Resampling.NEAREST)
    expected = processor(np.asarray(resized), do_resize=False, return_tensors="pt")["pixel_values"]
    assert torch.equal(values, expected)
    assert PhotoInput(processor, short_side=0).input_size((70, 100)) == (70, 100)
    assert WholeImage(processor, short_side=35).input_size((70, 100)) == (64, 64)  # multiples of 32


@pytest.mark.parametrize("shape", [(1, 1), (20, 50), (50, 7), (31, 31)])
@pytest.mark.parametrize(
    "processor",
    [
        SegformerImageProcessorPil(do_resize=False),
        GLPNImageProcessorPil(),
        SegformerImageProcessorPil(size=64),
    ],
    ids=["own size", "rounded down", "square"],
)
def test_photos_below_32_pixels_are_predicted_at_their_size(shape, processor):
    photo = np.full((*shape, 3), 90, np.uint8)
    assert WholeImage(processor).predict(tiny_model(), photo).shape == shape


def test_a_stock_model_gets_the_multiples_it_needs_or_the_size_is_named():
    shape = {"hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "num_attention_heads": [1, 1, 2, 2]}
    model = GLPNForDepthEstimation(GLPNConfig(**shape, decoder_hidden_size=16)).eval()
    for views in ({}, {"short_side": 64, "flip": True}):
        assert WholeDepth(GLPNImageProcessorPil(), **views).predict(model, PHOTO).shape == (70, 100)
    with pytest.raises(ValueError, match="a.png: the model cannot compute an input of 70 x 100 pixels"):
        WholeDepth(GLPNImageProcessorPil(), short_side=0).predict(model, PHOTO, "a.png")


def test_one_label_is_thresholded_as_a_sigmoid():
    shape = {"hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "num_attention_heads": [1, 1, 2, 2]}
    model = SegformerForSemanticSegmentation(
        SegformerConfig(**shape, decoder_hidden_size=8, num_labels=1, initializer_range=0.5)
    ).eval()
    inference = WholeImage(SegformerImageProcessorPil(do_resize=False))
    with torch.no_grad():
        logits = model(inference.pixel_values(PHOTO)).logits
        model.decode_head.classifier.bias -= logits.median()
        logits = model(inference.pixel_values(PHOTO)).logits
    expected = torch.nn.functional.interpolate(logits, PHOTO.shape[:2], mode="bilinear")[0, 0].sigmoid() > 0.5
    found = inference.predict(model, PHOTO)
    assert (found == expected.numpy()).mean() > 0.999 and set(np.unique(found)) == {0, 1}
    predictor = SegmentationTask.predictor(model, None)
    assert predictor.id2label == {0: "background", 1: "LABEL_0"} and len(predictor.colours) == 2
    assert predictor.pictures(PHOTO, found)["overlay"].width > PHOTO.shape[1]


def test_without_a_short_side_training_saves_that_photos_keep_their_size(tmp_path):
    for task, settings in (
        (SegmentationTask, []),
        (DepthTask, ["architecture=glpn"]),
        (DepthTask, ["architecture=bts"]),
    ):
        arguments = [f"task={task.name}", *settings, "eval_short_side=null"]
        processor = task(parse_arguments(arguments)).processor()
        assert processor.do_resize is False
        assert task.inference(processor).input_size((45, 70)) == (45, 70)


@pytest.mark.parametrize("short_side", [32, "null"])
def test_predict_prepares_photos_as_training_scored_them(short_side, tmp_path):
    trainer = train(tmp_path, f"eval_short_side={short_side}", "max_steps=1")
    saved, scored = load_predictor(tmp_path / "best").inference, trainer.task._inference
    for shape in ((45, 70), (33, 200), (64, 64)):
        photo = np.resize(PHOTO, (*shape, 3))
        assert torch.equal(saved.pixel_values(photo), scored.pixel_values(photo))
        assert saved.protocol == scored.protocol
    sides = saved.input_size((45, 70))
    assert sides == ((45, 70) if short_side == "null" else (32, 64))


def test_a_depth_run_scores_what_predict_prepares(tmp_path):
    trainer = train(tmp_path, *GLPN, "eval_short_side=48", "max_steps=1", task=DepthTask)
    saved, scored = load_predictor(tmp_path / "best").inference, trainer.task._inference
    assert saved.input_size((96, 128)) == scored.input_size((96, 128)) == (48, 64)
    assert torch.equal(saved.pixel_values(PHOTO), scored.pixel_values(PHOTO))
