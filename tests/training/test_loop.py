import logging
import math
import os

import datasets
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_training import SegmentationTask, log_lines, sample_ids, train, weights
from transformers import AutoModelForSemanticSegmentation, SegformerConfig, SegformerForImageClassification

from sapa_hf.data import get_spec, load_split
from sapa_hf.evaluation import read_results
from sapa_hf.training import NonFiniteError, Trainer, as_settings, parse_arguments


def test_a_run_leaves_models_results_curves_and_pictures(tmp_path):
    trainer = train(tmp_path, "tracker=tensorboard", "pictures=1", "log_steps=2", "log_sample_ids=false")
    assert "mIoU" in trainer.table
    for name in ("best", "last"):
        model, info = AutoModelForSemanticSegmentation.from_pretrained(
            tmp_path / name, output_loading_info=True
        )
        assert not info["missing_keys"] and not info["unexpected_keys"]
        assert (tmp_path / name / "preprocessor_config.json").exists()
    last = trainer.accelerator.unwrap_model(trainer.model).state_dict()
    assert all(torch.equal(value, last[name]) for name, value in model.state_dict().items())
    results = read_results(tmp_path / "results.json")
    assert results["training"]["steps"] == 8 and results["training"]["batch"] == 3
    repeated = parse_arguments([str(tmp_path / "recipe.yaml")])
    assert as_settings(SegmentationTask(repeated).arguments, SegmentationTask.keys) == trainer.settings
    assert results["training"]["settings"] == trainer.settings and "metric" not in trainer.settings
    assert results["dataset"]["split"] == "test" and results["training"]["best_step"] in (4, 8)
    assert [line["step"] for line in log_lines(tmp_path)] == [2, 4, 4, 6, 8, 8]
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == [
        "step-00000004-0.png",
        "step-00000008-0.png",
    ]
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("training/loss")] == [2, 4, 6, 8]
    assert [event.step for event in events.Scalars("evaluation/mean_iou")] == [4, 8]
    assert [event.step for event in events.Images("pictures/0")] == [4, 8]


def test_the_loss_falls(tmp_path):
    train(tmp_path, "max_steps=40", "learning_rate=3e-3", "eval_steps=40", "checkpoint_steps=40")
    losses = [line["loss"] for line in log_lines(tmp_path) if "loss" in line]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    train(tmp_path, "max_steps=5", "checkpoint_steps=1", "keep_checkpoints=2", "eval_steps=9")
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["step-00000004", "step-00000005"]


def test_overwrite_deletes_the_earlier_run_and_nothing_else(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    train(tmp_path, "max_steps=2", "checkpoint_steps=1")
    train(tmp_path, "max_steps=1", "--overwrite")
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["step-00000001"]
    assert {line["step"] for line in log_lines(tmp_path)} == {1}
    assert (tmp_path / "notes.txt").read_text() == "mine"


class DamagedTask(SegmentationTask):
    """Does something to the batches of one step."""

    steps, damaged_step = 0, 3

    def weight(self, batch):
        self.steps += 1
        if self.steps == self.damaged_step:
            self.damage(batch)
        return super().weight(batch)


class NanTask(DamagedTask):
    def damage(self, batch):
        batch["pixel_values"][1, 0, 0, 0] = math.nan


class IgnoredTask(DamagedTask):
    def damage(self, batch):
        batch["labels"].fill_(255)


def test_a_loss_that_is_not_finite_stops_the_run_with_the_images_named(tmp_path):
    with pytest.raises(
        NonFiniteError, match=r"step 3: loss nan, .*learning rates .*images \['train_"
    ) as caught:
        train(tmp_path, "checkpoint_steps=2", task=NanTask)
    train(tmp_path, "max_steps=3", "--resume", "eval_steps=9")  # the last checkpoint is intact
    (ids,) = (ids for step, ids in sample_ids(tmp_path) if step == 3)
    assert all(id_ in str(caught.value) for id_ in ids)
    assert all(torch.isfinite(value).all() for value in weights(tmp_path, 3).values())


def test_a_step_without_a_valid_pixel_changes_no_weight_and_is_counted(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    train(tmp_path, "max_steps=3", "checkpoint_steps=1", "eval_steps=9", task=IgnoredTask)
    before, after = weights(tmp_path, 2), weights(tmp_path, 3)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert "step 3 has no valid pixel" in caplog.text
    line = [line for line in log_lines(tmp_path) if "loss" in line][-1]
    assert line["loss"] is None and line["ignored_steps"] == 1


def broken_rows(folder):
    """The tiny rooms as a parquet folder in which one photo is cut short."""
    rows = list(load_split(get_spec("scenes", options={"count": 10, "eval_count": 2, "size": 32}), "train"))
    rows[4]["image"] = {"bytes": rows[4]["image"]["bytes"][:60], "path": None}
    features = datasets.Features({name: datasets.Image(decode=False) for name in rows[0]})
    features["id"] = datasets.Value("string")
    for split in ("train", "validation", "test"):
        kept = rows if split == "train" else rows[:2]
        file = folder / "data" / f"{split}-00000-of-00001.parquet"
        file.parent.mkdir(exist_ok=True)
        datasets.Dataset.from_list(kept, features=features).to_parquet(file)
    return [
        "dataset=custom",
        f"data_path={folder}",
        "data_fields={id_column: id, id2label: " + str(get_spec("scenes").id2label) + "}",
    ]


def test_an_unreadable_photo_stops_the_run_or_is_skipped_and_counted(tmp_path):
    (tmp_path / "data_set").mkdir()
    options = [*broken_rows(tmp_path / "data_set"), "max_steps=4", "eval_steps=9"]
    with pytest.raises(ValueError, match=r"train_00004"):
        train(tmp_path / "raise", *options)
    train(tmp_path / "skip", *options, "on_bad=skip")
    seen = [id_ for _, ids in sample_ids(tmp_path / "skip") for id_ in ids]
    assert log_lines(tmp_path / "skip")[-2]["skipped_samples"] == 1 and "train_00004" not in seen


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_resumes_bitwise(tmp_path, workers):
    options = ["streaming=true", "shuffle_buffer=4", "eval_steps=9", f"num_workers={workers}"]
    train(tmp_path / "straight", *options)
    train(tmp_path / "resumed", *options, task=StoppedTask)
    train(tmp_path / "resumed", *options, "--resume")
    assert sample_ids(tmp_path / "straight") == sample_ids(tmp_path / "resumed")
    one, other = weights(tmp_path / "straight", 8), weights(tmp_path / "resumed", 8)
    assert all(torch.equal(value, other[name]) for name, value in one.items())


class StoppedTask(DamagedTask):
    def damage(self, batch):
        os.kill(os.getpid(), 15)


def test_training_starts_from_an_imagenet_encoder_and_says_what_is_new(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    config = SegformerConfig(hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, num_attention_heads=[1, 1, 2, 2])
    encoder = SegformerForImageClassification(config)
    encoder.save_pretrained(tmp_path / "mit")
    options = ["max_steps=1", f"checkpoint={tmp_path / 'mit'}", "learning_rate=1e-30", "eval_steps=9"]
    trainer = train(tmp_path / "run", *options, "model_config={decoder_hidden_size: 8}")
    model = trainer.accelerator.unwrap_model(trainer.model)
    assert model.config.num_labels == 10 and model.config.decoder_hidden_size == 8
    for name, value in encoder.segformer.state_dict().items():
        assert torch.allclose(model.segformer.state_dict()[name], value, atol=1e-6), name
    assert "not used: classifier.bias, classifier.weight" in caplog.text
    assert "decode_head.upsamplers" in caplog.text and "new: segformer" not in caplog.text


def test_an_own_checkpoint_of_other_classes_lends_all_but_its_classifier(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    train(
        tmp_path / "first",
        "max_steps=1",
        "data_fields.id2label={0: a, 1: b, 2: c, 3: d, 4: e, 5: f, 6: g, 7: h, 8: i, 9: j, 10: k}",
    )
    train(tmp_path / "second", "max_steps=1", f"checkpoint={tmp_path / 'first' / 'last'}")
    assert "new: decode_head.classifier.bias, decode_head.classifier.weight; not used: none" in caplog.text


def test_a_checkpoint_that_cannot_be_read_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="nowhere.* cannot be read .*checkpoint=null"):
        train(tmp_path / "run", f"checkpoint={tmp_path / 'nowhere'}")


def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    train(tmp_path / "first", "max_steps=1")
    with pytest.raises(ValueError, match="does not fit this model: .* parameters are missing or have"):
        train(
            tmp_path / "second",
            f"checkpoint={tmp_path / 'first' / 'last'}",
            "model_config.hidden_sizes=[8, 8, 8, 8]",
        )


def test_a_model_field_of_the_wrong_type_is_refused(tmp_path):
    with pytest.raises(ValueError, match="model_config: .*depths"):
        train(tmp_path, "model_config.depths=abc")


def test_an_unknown_model_field_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"model_config.depth is not a field .*nearest: depths"):
        train(tmp_path, "model_config.depth=[1, 1, 1, 1]")


@pytest.mark.slow
def test_the_ade20k_recipe_runs_on_the_sample_and_leaves_results(sapa_data, tmp_path):
    """With the paper's settings, but for the path, the steps, the batch and the size of the network."""
    arguments = parse_arguments(
        [
            "segformer_b1_ade20k",
            f"data_path={sapa_data / 'ade20k_sample'}",
            "max_steps=1",
            "batch_size=1",
            "checkpoint=null",
            "model_config={hidden_sizes: [8, 8, 16, 16], depths: [1, 1, 1, 1], decoder_hidden_size: 8}",
            "num_workers=0",
            "cpu=true",
            f"output_dir={tmp_path}",
        ]
    )
    assert "mIoU" in Trainer(SegmentationTask(arguments), arguments).train()
    results = read_results(tmp_path / "results.json")
    assert results["dataset"]["split"] == "validation" and results["dataset"]["images"] == 3
    assert len(results["per_class"]) == 150 and len(list((tmp_path / "pictures").iterdir())) == 3


def test_a_split_that_does_not_exist_is_noticed_before_the_first_step(tmp_path):
    with pytest.raises(ValueError, match="exam"):
        train(tmp_path, "final_split=exam")
    assert not tmp_path.joinpath("log.jsonl").exists()
