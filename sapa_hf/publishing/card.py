"""Filling a card template: every number is counted here or comes from the results file."""

import re
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from transformers import PretrainedConfig, PreTrainedModel

from sapa_hf.complexity import Complexity, count_model
from sapa_hf.modeling import SAPA, UPSAMPLERS, GuidedUpsampler
from sapa_hf.modeling.upsampler import config_options

from .family import Family, family_of
from .licence import is_hub_id, licence_for

SIZE = (512, 512)  # the paper's, for FLOPs
NO_REPOSITORY = "ORGANISATION/NAME"
NO_REVISION = "FULL-COMMIT-HASH"
DESCRIPTIONS = {
    "nearest": "nearest neighbour",
    "bilinear": "bilinear interpolation",
    "deconv": "transposed convolution",
    "pixel_shuffle": "pixel shuffle: a convolution whose channels become pixels",
    "carafe": "CARAFE: window kernels predicted from the decoder feature",
    "indexnet": "IndexNet: nearest neighbour, times an index map read from the encoder map",
    "a2u": "A2U: 3 x 3 window kernels predicted from the encoder map's second-order statistics",
    "fade": "FADE: window kernels predicted from encoder map and decoder feature",
    "dysample": "DySample: bilinear reads at points that the decoder feature shifts",
    "sapa-i": "SAPA-I: inner products of the normalised guide and feature, no parameters",
    "sapa-b": "SAPA-B: inner products of projected guide and feature",
    "sapa-g": "SAPA-G: as SAPA-B, with a gate that mixes the feature into the query",
    "sapa-p": "SAPA-P: as SAPA-B, with the feature added to the query",
    "sapa-d": "SAPA-D: similarity with nine points that the decoder feature places, in place of a window",
}
PLAIN = ("nearest", "bilinear")


def write_card(
    folder: str | Path,
    model: PreTrainedModel,
    results: Mapping | None,
    repo_id: str | None = None,
    base_model: str | None = None,
) -> Path:
    """Write README.md, the model's card.

    Args:
        folder: Where to.
        model: The model, counted for its parameters and FLOPs.
        results: The results file of these weights; None says that they are not measured.
        repo_id: "owner/name" that the example loads; a placeholder without it.
        base_model: See `licence_for`.
    """
    family, config = family_of(model.config), model.config
    licence = licence_for(base_model)
    name = (repo_id or Path(folder).resolve().name).split("/")[-1]
    metadata = ModelCardData(
        model_name=name,
        library_name="transformers",
        pipeline_tag=family.pipeline_tag,
        tags=[*family.tags, config.upsampler],
        metrics=[key for key in family.metrics if results and _number(results, key) is not None] or None,
        datasets=_hub_dataset(results),
        eval_results=_eval_results(family, results),
        **licence.fields,
    )
    card = ModelCard.from_template(
        metadata,
        template_str=family.template_text(),
        name=_line(name),
        repository=repo_id or NO_REPOSITORY,
        revision=NO_REVISION,
        architecture=type(model).__name__,
        config=config,
        upsampler=DESCRIPTIONS[config.upsampler],
        options=_options(config),
        plain=config.upsampler in PLAIN,
        affiliates=UPSAMPLERS[config.upsampler].module is SAPA,
        reassembles=all(part.reassembles for part in model.modules() if isinstance(part, GuidedUpsampler)),
        labels=[_line(label) for _, label in sorted(config.id2label.items())],
        cost=_cost(count_model(model, *SIZE)),
        licence=licence.text,
        base_model=licence.fields.get("base_model"),
        measured=_measured(family, results),
    )
    path = Path(folder) / "README.md"
    path.write_text(str(card), encoding="utf-8")
    return path


def set_revision(folder: str | Path, commit: str) -> None:
    """Let the card's example load this commit.

    Raises:
        ValueError: It is no full commit hash, or the card has no line for it.
    """
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise ValueError(
            f"A revision must be a full commit hash, 40 hexadecimal digits, but {commit!r} came."
        )
    path = Path(folder) / "README.md"
    line = re.compile(r'^revision = "[\w-]+"', re.MULTILINE)
    card, found = line.subn(f'revision = "{commit}"', path.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f'{path} has no line `revision = "..."`; publish the model again.')
    path.write_text(card, encoding="utf-8")


def _options(config: PretrainedConfig) -> str:
    """List the options that the upsampler has, such as "kernel size 5, softmax weights"."""
    words = {
        "kernel_size": "kernel size {}",
        "embedding_dim": "embedding dimension {}",
        "normalization": "{} weights",
        "border": 'border "{}"',
    }
    own = config_options(config)
    return ", ".join(words[name].format(own[name]) for name in UPSAMPLERS[config.upsampler].options)


def _measured(family: Family, results: Mapping | None) -> dict | None:
    """Prepare what the template shows of a results file, as text that cannot break its tables."""
    if results is None:
        return None
    dataset, training = results["dataset"], results["training"]
    show = _percent if family.percent else _plain
    overall = [(title, show(_number(results, key))) for key, title in family.metrics.items()]
    classes = [
        [_line(row["name"]), *(_percent(row.get(key)) for key in ("iou", "boundary_iou", "accuracy"))]
        for row in results["per_class"]
    ]
    return {
        "dataset": _line(dataset["name"]),
        "split": _line(dataset["split"]),
        "images": dataset["images"],
        "revision": _line(dataset["revision"] or ""),
        "overall": overall,
        "classes": classes,
        "protocol": results.get("evaluation", {}),
        "training": {
            key: _line(training[key]) for key in ("steps", "batch", "seed", "recipe") if key in training
        },
        "hardware": _line(results["hardware"]),
        "versions": ", ".join(f"{key} {_line(value)}" for key, value in results["versions"].items() if value),
        "commit": _line(results["commit"] or ""),
        "date": _line(results["date"])[:10],
    }


def _cost(complexity: Complexity) -> dict:
    """Prepare the table of parameters and FLOPs: (title, parameters in M, GFLOPs, G multiply-adds)."""

    def row(title, cost):
        return (
            title,
            f"{cost.parameters / 1e6:.3f}",
            f"{cost.flops / 1e9:.2f}",
            f"{cost.multiply_adds / 1e9:.3f}",
        )

    rows = [row("this model, as it computes", complexity.model)]
    if complexity.upsamplers:
        rows.append(row("the same model with bilinear upsampling", complexity.plain))
        rows.append(row(f"its {len(complexity.upsamplers)} upsamplers alone", complexity.added))
        rows.append(row("bilinear model + upsamplers, the paper's way of counting", complexity.paper))
    return {"size": "{} x {}".format(*complexity.size), "rows": rows, "added": bool(complexity.upsamplers)}


def _eval_results(family: Family, results: Mapping | None) -> list[EvalResult] | None:
    if results is None:
        return None
    dataset = results["dataset"]
    source = _hub_dataset(results)
    return [
        EvalResult(
            task_type=family.pipeline_tag,
            dataset_type=source[0] if source else dataset["name"],
            dataset_name=dataset["name"],
            dataset_split=dataset["split"],
            dataset_revision=dataset["revision"],
            metric_type=key,
            metric_name=title,
            metric_value=value,
        )
        for key, title in family.metrics.items()
        if (value := _number(results, key)) is not None
    ] or None


def _hub_dataset(results: Mapping | None) -> list[str] | None:
    path = results["dataset"]["path"] if results else None
    return [path] if path and is_hub_id(path) else None


def _number(results: Mapping, key: str) -> float | None:
    value = results["metrics"].get(key)
    return None if value is None else round(float(value), 6)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _line(value) -> str:
    """Make a text harmless inside a Markdown table: one line, no markup."""
    text = " ".join(str(value).split())
    return text.replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
