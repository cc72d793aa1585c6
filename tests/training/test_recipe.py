import pytest
import yaml

from sapa_hf.tasks import TASKS, DepthTask, DetectionTask, SegmentationTask
from sapa_hf.training import as_settings, parse_arguments, recipe_names
from sapa_hf.training.arguments import ABOUT, FIELDS
from sapa_hf.training.recipe import write_recipe


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
    "token, key, value",
    [
        ("learning_rate=1e-3", "learning_rate", 1e-3),
        ("learning_rate=1", "learning_rate", 1.0),
        ("max_grad_norm=null", "max_grad_norm", None),
        ("--max_grad_norm=5", "max_grad_norm", 5.0),
        ("photometric=no", "photometric", False),
        ("--photometric=TRUE", "photometric", True),
        ("seed=160_000", "seed", 160000),
        ("data_path=007", "data_path", "007"),
        ("data_path=1e5", "data_path", "1e5"),
        ("data_path=null", "data_path", None),
        ("data_path='null'", "data_path", "null"),
        ("data_path=a=b: c", "data_path", "a=b: c"),
        ("mixed_precision=no", "mixed_precision", "no"),
        ("no_decay=[norm, bias]", "no_decay", ["norm", "bias"]),
        ("no_decay=norm,bias", "no_decay", ["norm", "bias"]),
        ("no_decay=norm bias", "no_decay", ["norm", "bias"]),
        ("no_decay=norm", "no_decay", ["norm"]),
        ("no_decay=[]", "no_decay", []),
        ("frozen=[^a., ^b.[0-9].c]", "frozen", ["^a.", "^b.[0-9].c"]),
        ("frozen=^b.[0-9]", "frozen", ["^b.[0-9]"]),
        ("scale=0.5,2", "scale", [0.5, 2.0]),
        ("betas=[0.9, 1e-3]", "betas", [0.9, 1e-3]),
        ("model_config={eps: 1e-6, on: no}", "model_config", {"eps": 1e-6, "on": "no"}),
        ("model_config.depths=[1, 1]", "model_config", {"depths": [1, 1]}),
        ("model_config.eps=1e-6", "model_config", {"eps": 1e-6}),
        ("model_config.name=null", "model_config", {"name": None}),
        ("model_config.a.b=1", "model_config", {"a": {"b": 1}}),
        ("model_config.a.b.c=[]", "model_config", {"a": {"b": {"c": []}}}),
        ("--model_config.flag", "model_config", {"flag": True}),
        ("data_fields.id2label.0=sky", "data_fields", {"id2label": {0: "sky"}}),
    ],
)
def test_a_value_has_the_type_of_its_setting(token, key, value):
    found = as_settings(parse_arguments([token]))[key]
    assert found == value and type(found) is type(value)


def test_nested_overrides_change_one_entry_and_keep_the_others():
    tokens = ["model_config={a: {b: 1, c: 2}, d: 3}", "model_config.a.b=5", "--model_config.a.e", "1", "2"]
    expected = {"a": {"b": 5, "c": 2, "e": [1, 2]}, "d": 3}
    assert parse_arguments(tokens).model.model_config == expected


def test_a_recipe_can_change_one_entry_of_its_bases_mapping(recipe, tmp_path):
    derived = tmp_path / "derived.yaml"
    derived.write_text(
        f"base: {recipe}\nmodel_config.decoder_hidden_size: 32\nlearning_rate: 1e-3\nflip: 0\n"
    )
    arguments = parse_arguments([str(derived)])
    assert arguments.model.model_config == {"depths": [1, 1, 1, 1], "decoder_hidden_size": 32}
    assert arguments.optimization.learning_rate == 1e-3 and arguments.optimization.max_steps == 100
    assert type(arguments.data.flip) is float


def test_the_arguments_know_which_keys_were_given(recipe):
    given = parse_arguments([recipe, "seed=0", "data_fields.options={count: 3}"]).given
    assert given == {"recipe", "max_steps", "scale", "learning_rate", "model_config", "seed", "data_fields"}


@pytest.mark.parametrize(
    "task, key, message",
    [
        (
            SegmentationTask,
            "metric={crop: eigen}",
            "`metric` applies only to depth-estimation; the task is im",
        ),
        (SegmentationTask, "transform.rotation=2", "`transform` applies only to depth-estimation"),
        (SegmentationTask, "frozen=[norm]", "`frozen` applies only to depth-estimation"),
        (DepthTask, "scale=[0.5, 2]", "`scale` applies only to image-segmentation; the task is depth-estima"),
        (DepthTask, "base_size=[64, 64]", "`base_size` applies only to image-segmentation"),
        (DepthTask, "cat_max_ratio=1", "`cat_max_ratio` applies only to image-segmentation"),
        (DetectionTask, "crop_size=64", "`crop_size` applies only to depth-estimation and image-mat"),
        (DepthTask, "eval_multiple=32", "`eval_multiple` applies only to image-segmentation"),
    ],
)
def test_a_key_that_the_task_does_not_read_is_refused(task, key, message):
    with pytest.raises(ValueError, match=message + ".*leave it out"):
        task(parse_arguments([f"task={task.name}", key]))


def test_every_task_names_settings_that_depend_on_the_task():
    dependent = {key for key, about in ABOUT.items() if about["by_task"]}
    assert dependent == set().union(*(task.keys for task in TASKS.values()))


@pytest.mark.parametrize(
    "tokens, message",
    [
        (["max_stepz=3"], "unknown key 'max_stepz'; nearest valid keys: max_steps"),
        (["--learning-rte", "1"], "unknown key 'learning_rte'; nearest valid keys: learning_rate"),
        (["max_steps=abc"], '`max_steps` must be a whole number, got "abc"'),
        (["max_steps=2.5"], "`max_steps` must be a whole number, got 2.5"),
        (["max_steps=0"], "`max_steps` must be a number above 0, got 0"),
        (["learning_rate=.nan"], "`learning_rate` must be a number above 0, got nan"),
        (["max_steps=null"], "`max_steps` must be a whole number, got null"),
        (["max_steps=[]"], "`max_steps` must be a whole number, got \\[\\]"),
        (["--no_decay"], "`--no_decay` needs a value: write no_decay=VALUE"),
        (["--output_dir"], "`--output_dir` needs a value"),
        (["scale=[1, 2, 3]"], "`scale` must be two positive factors"),
        (["scale=[2, 1]"], "`scale` must be two positive factors"),
        (["mixed_precision=fp8"], '`mixed_precision` must be one of no, fp16, bf16, got "fp8"'),
        (["max_steps=true"], "`max_steps` must be a whole number, got true"),
        (["max_steps="], "`max_steps` must be a whole number, got null"),
        (["learning_rate=fast"], '`learning_rate` must be a number, got "fast"'),
        (["learning_rate=[1]"], "`learning_rate` must be a number, got .1"),
        (["eval_limit=many"], '`eval_limit` must be a whole number, or null, got "many"'),
        (["scale=[a, b]"], r'`scale\[0\]` must be a number, got "a"'),
        (["no_decay=null"], "`no_decay` must be a list, .*got null"),
        (["model_config=null"], "`model_config` must be a mapping .*got null"),
        (["model_config={a: 1, a: 2}"], "`model_config` must be valid YAML.*a is given twice"),
        (["model_config.a=[1"], "`model_config.a` must be valid YAML"),
        (["model_config={a: 1}", "model_config.a.b=2"], "`model_config.a` must be a mapping .*got 1"),
        (["model_config.=2"], "unknown key 'model_config.'"),
        (["output_dir="], "`output_dir` must be the name of a folder"),
        (["photometric=maybe"], '`photometric` must be true or false, got "maybe"'),
        (["model_config=3"], "`model_config` must be a mapping such as {key: value}, got 3"),
        (["max_steps.inner=3"], "`max_steps` is not a mapping, so `max_steps.inner` does not exist"),
        (["cat_max_ratio=0"], "`cat_max_ratio` must be a number above 0"),
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
        ("max_steps: [1, 2]", "`max_steps` must be a whole number, got .1, 2"),
        ("max_steps: true", "`max_steps` must be a whole number, got true"),
        ("data_path: 2024", '`data_path` must be text, or null, got 2024; put it in quotes: "2024"'),
        ("flip: abc", '`flip` must be a number, got "abc"'),
        ("base: [a]", "`base` must be the name of a recipe, got"),
        ("3: 4", "unknown key '3'"),
        ("- max_steps", 'must hold lines of `key: value`, got ."max_steps"'),
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
    assert all(f"  {key}=" in shown for key in FIELDS)


def test_the_written_recipe_repeats_the_run(recipe, tmp_path):
    tokens = ["data_path=1e5", "final_split=no", "data_fields.revision='123'"]
    arguments = parse_arguments([recipe, *tokens, "eval_short_side=null", "data_fields.options={count: 3}"])
    write_recipe(as_settings(arguments), tmp_path / "written.yaml")
    assert parse_arguments([str(tmp_path / "written.yaml")]) == arguments


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_load_by_name_with_path_steps_and_batch_overridden(name):
    arguments = parse_arguments([name, "data_path=somewhere", "max_steps=2", "batch_size=2"])
    TASKS[arguments.run.task].check_settings(arguments)
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
