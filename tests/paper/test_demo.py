"""The demonstration, cut short."""

import pytest
from PIL import Image

from sapa_hf.paper.demo import STEPS, run_demo

SHORT = [
    "data_fields={options: {count: 4, eval_count: 2, size: 64}}",
    "max_steps=2",
    "eval_steps=2",
    "batch_size=2",
    "warmup_steps=1",
    "num_workers=0",
    "crop_size=64",
]


@pytest.mark.slow
def test_the_demo_scores_publishes_and_draws_and_can_be_run_again(tmp_path, capsys):
    demo = run_demo(tmp_path, SHORT)
    printed = capsys.readouterr().out
    assert list(demo.scores)[1:] == ["SegFormer, bilinear upsampling", "SegFormer, SAPA-G upsampling"]
    assert all(f"{100 * scores['mean_iou']:.2f}" in printed for scores in demo.scores.values())
    assert all(f"[{number}/{len(STEPS)}] {title}" in printed for number, (title, _) in enumerate(STEPS, 1))
    card = (tmp_path / "hub" / "sapa-segformer-tiny" / "README.md").read_text()
    assert "| measured on scenes, test (2 images) | % |" in card and "license: apache-2.0" in card
    assert Image.open(tmp_path / "comparison.png").width > 4 * 384
    assert Image.open(tmp_path / "depth.png").width > 3 * 240
    assert list(demo.depth_scores) == ["mean depth of the training rooms", "GLPN, SAPA-G upsampling"]
    assert all(f"{scores['abs_rel']:.4f}" in printed for scores in demo.depth_scores.values())

    title, score_constant = STEPS[0]
    demo.scores.clear()
    score_constant(demo)  # what a second run does first, over the first one's folder
    (title,) = demo.scores
    assert title in printed
    assert demo.task("sapa-g").arguments.run.overwrite
