"""Values a run refuses before it starts, each with what is needed."""

from __future__ import annotations

from collections.abc import Callable

from sapa_hf.modeling.upsampler import check_config

from .arguments import Arguments

Rule = tuple[Callable[[object], bool], str]

_POSITIVE: Rule = (lambda value: 0 < value < float("inf"), "a number above 0")
_AT_LEAST_0: Rule = (lambda value: 0 <= value < float("inf"), "a number that is not negative")
_SHARE: Rule = (lambda value: 0 <= value <= 1, "a number from 0 to 1")

RULES: dict[str, Rule] = {
    **dict.fromkeys(("crop_size", "max_steps", "batch_size", "gradient_accumulation_steps"), _POSITIVE),
    **dict.fromkeys(
        ("learning_rate", "head_lr_multiplier", "checkpoint_steps", "keep_checkpoints"), _POSITIVE
    ),
    **dict.fromkeys(("log_steps", "eval_steps", "eval_limit", "eval_short_side", "eval_max_side"), _POSITIVE),
    **dict.fromkeys(("eval_multiple", "shuffle_buffer", "max_grad_norm", "power"), _POSITIVE),
    **dict.fromkeys(
        ("num_workers", "weight_decay", "warmup_steps", "min_lr", "seed", "pictures"), _AT_LEAST_0
    ),
    "head_weight_decay": _AT_LEAST_0,
    "adam_epsilon": _POSITIVE,
    **dict.fromkeys(("cat_max_ratio", "flip", "warmup_ratio"), _SHARE),
    "base_size": (
        lambda value: len(value) == 2 and min(value) > 0,
        "two positive lengths, long side then short",
    ),
    "scale": (
        lambda value: len(value) == 2 and 0 < value[0] <= value[1],
        "two positive factors, low then high",
    ),
    "betas": (
        lambda value: len(value) == 2 and 0 <= min(value) <= max(value) < 1,
        "two numbers from 0 to below 1",
    ),
}


def check_arguments(arguments: Arguments) -> None:
    """Refuse values that no run can use.

    Raises:
        TypeError: an option of the upsampler has the wrong type.
        ValueError: naming the key, what came and what is needed.
    """
    values = {key: value for group in arguments for key, value in vars(group).items()}
    for key, (accepts, needed) in RULES.items():
        if values[key] is not None and not accepts(values[key]):
            raise ValueError(f"{key} must be {needed}, got {values[key]!r}")
    if arguments.data.cat_max_ratio == 0:
        raise ValueError("cat_max_ratio must be above 0; 1 turns the check off")
    check_config(arguments.model)
    evaluation = arguments.evaluation
    short, longest = evaluation.eval_short_side, evaluation.eval_max_side
    if short is not None and short > longest:
        raise ValueError(f"eval_short_side {short} must not be above eval_max_side {longest}")
    if arguments.run.resume and arguments.run.overwrite:
        raise ValueError(
            "resume and overwrite contradict each other: one keeps an earlier run, the other deletes it"
        )
