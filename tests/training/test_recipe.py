import pytest
import yaml

from sapa_hf.training import as_settings, parse_arguments, recipe_names
from sapa_hf.training.recipe import ANNOTATIONS, write_recipe


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "max_steps: 100\nscale: [0.75, 1.5]\nlearning_rate: 6e-5\nmodel_config: {depths: [1, 1, 1, 1]}\n"
    )
    return str(path)


def test_overrides_come_after_the_recipe_in_any_form_and_the_last_one_wins(recipe):
    arguments = parse_arguments(
        [
            recipe,
            "max_steps=5",
            "--batch-size",
            "4",
            "--scale",
            "0.5",
            "2",
            "--resume",
            "--seed=3",
            "max_steps=7",
        ]
    )
    assert arguments.optimization.max_steps == 7 and arguments.optimization.batch_size == 4
    assert arguments.data.scale == [0.5, 2.0] and arguments.run.resume is True and arguments.run.seed == 3
    assert arguments.optimization.learning_rate == 6e-5  # YAML itself reads 6e-5 as text
    assert arguments.run.recipe == "mine"


def test_flags_alone_are_enough():
    arguments = parse_arguments(["--max_steps", "3", "photometric=false", "--no_decay", "norm", "bias"])
    assert arguments.optimization.max_steps == 3 and arguments.data.photometric is False
    assert arguments.optimization.no_decay == ["norm", "bias"]


def test_an_override_reaches_into_a_mapping_and_keeps_the_rest(recipe):
    arguments = parse_arguments([recipe, "model_config.decoder_hidden_size=32"])
    assert arguments.model.model_config == {"depths": [1, 1, 1, 1], "decoder_hidden_size": 32}
    replaced = parse_arguments([recipe, "model_config={drop_path_rate: 0.0}"])
    assert replaced.model.model_config == {"drop_path_rate": 0.0}


def test_null_clears_a_value_that_may_be_absent():
    assert parse_arguments(["eval_short_side=null"]).evaluation.eval_short_side is None
    assert parse_arguments(["no_decay=[]"]).optimization.no_decay == []


@pytest.mark.parametrize(
    "tokens, message",
    [
        (["max_stepz=3"], "unknown key 'max_stepz'; nearest valid keys: max_steps"),
        (["--learning-rte", "1"], "unknown key 'learning_rte'; nearest valid keys: learning_rate"),
        (["max_steps=abc"], "max_steps.*invalid int value: 'abc'"),
        (["max_steps=2.5"], "max_steps.*invalid int value: '2.5'"),
        (["max_steps=0"], "max_steps must be a number above 0, got 0"),
        (["learning_rate=nan"], "learning_rate must be a number above 0, got nan"),
        (["max_steps=null"], "max_steps cannot be null"),
        (["max_steps=[]"], "max_steps cannot be \\[\\]"),
        (["--no_decay"], "no_decay needs a value of type list.str., got True"),
        (["--output_dir"], "output_dir needs a value of type str, got True"),
        (["scale=[1, 2, 3]"], "scale must be two positive factors"),
        (["scale=[2, 1]"], "scale must be two positive factors"),
        (["mixed_precision=fp8"], "mixed_precision.*invalid choice: 'fp8'"),
        (["photometric=maybe"], "photometric.*maybe"),
        (["model_config=3"], "model_config.*invalid Options value: '3'"),
        (["max_steps.inner=3"], "max_steps is not a mapping"),
        (["cat_max_ratio=0"], "cat_max_ratio must be above 0"),
        (["resume=true", "overwrite=true"], "contradict"),
        (["max_steps=3", "stray"], "argument 'stray': write key=value or --key value"),
        (
            ["no_such_recipe"],
            "no recipe 'no_such_recipe': give a path, or one of the shipped .*segformer_b1_ade20k",
        ),
    ],
)
def test_a_mistake_is_an_error_that_names_it(tokens, message):
    with pytest.raises(ValueError, match=message):
        parse_arguments(tokens)


@pytest.mark.parametrize(
    "text, message",
    [
        ("max_stepz: 3", "recipe .*: unknown key 'max_stepz'; nearest valid keys: max_steps"),
        ("max_steps: [1, 2]", "max_steps needs a value of type int"),
        ("max_steps: true", "max_steps needs a value of type int, got True"),
        ("- max_steps", "expected lines of `key: value`, got list"),
        ("max_steps: [", "not valid YAML"),
        ("max_steps: 3\nmax_steps: 4", "max_steps.*twice"),
    ],
)
def test_a_mistake_in_a_recipe_is_an_error_that_names_it(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        parse_arguments([str(path)])


def test_help_lists_every_key(capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    shown = capsys.readouterr().out
    assert all(f"--{key}" in shown for key in ANNOTATIONS)


def test_the_written_recipe_repeats_the_run(recipe, tmp_path):
    arguments = parse_arguments([recipe, "eval_short_side=null", "data_fields.options={count: 3}"])
    write_recipe(arguments, tmp_path / "written.yaml")
    assert parse_arguments([str(tmp_path / "written.yaml")]) == arguments


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_load_by_name_with_path_steps_and_batch_overridden(name):
    arguments = parse_arguments([name, "data_path=somewhere", "max_steps=2", "batch_size=2"])
    assert as_settings(arguments)["recipe"] == name


def test_the_ade20k_recipe_is_the_papers():
    settings = as_settings(parse_arguments(["segformer_b1_ade20k"]))
    paper = """
        {checkpoint: nvidia/mit-b1, max_steps: 160000, batch_size: 16, learning_rate: 6.0e-5,
         head_lr_multiplier: 10, weight_decay: 0.01, no_decay: [norm, pos_block], no_decay_in_head: false,
         betas: [0.9, 0.999], warmup_steps: 1500, warmup_ratio: 1.0e-6, power: 1, min_lr: 0,
         max_grad_norm: null, mixed_precision: "no", crop_size: 512, base_size: [2048, 512],
         scale: [0.5, 2.0], cat_max_ratio: 0.75, flip: 0.5, photometric: true, eval_steps: 16000,
         eval_short_side: 512, eval_max_side: 2048, eval_multiple: 32, upsampler_kernel_size: 5}
    """
    for key, value in yaml.safe_load(paper).items():
        assert settings[key] == value, key
