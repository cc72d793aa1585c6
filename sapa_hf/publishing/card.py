"""Filling a card template: every number is counted here or comes from the results file."""

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import torch
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, FunctionLoader
from transformers import PretrainedConfig, PreTrainedModel

from sapa_hf.complexity import Complexity, count_model
from sapa_hf.evaluation.results_schema import SCHEMA
from sapa_hf.modeling import SAPA, UPSAMPLERS, GuidedUpsampler
from sapa_hf.modeling.upsampler_config import config_options

from ..markdown import inline_text, plain_line
from .family import Family, family_of
from .licence import Licence, licence_for
from .picture import PICTURE
from .redaction import redact
from .sources import HUB_ID, dataset_id

SIZE = (512, 512)  # the paper's, for FLOPs
TEMPLATES = Environment(  # a family's template fills the blocks of card.md
    loader=FunctionLoader(lambda name: (files("sapa_hf.model_cards") / name).read_text(encoding="utf-8")),
    keep_trailing_newline=True,
)
PAPER = "arxiv:2209.12866"  # the Hub links the model with the paper's page
NO_REPOSITORY = "ORGANISATION/NAME"
NO_REVISION = "FULL-COMMIT-HASH"


def write_card(
    folder: str | Path,
    model: PreTrainedModel,
    results: Mapping | None,
    repo_id: str | None = None,
    base_model: str | None = None,
    name: str | None = None,
) -> Path:
    """Write README.md, the model's card.

    Args:
        folder: Where to. A picture of the results that lies there is shown.
        model: The model, counted for its parameters and FLOPs.
        results: The results file of these weights; None says that they are not measured.
        repo_id: "owner/name" that the example loads; a placeholder without it.
        base_model: See `licence_for`.
        name: The model's name; by default the repository's or the folder's.

    Raises:
        ValueError: `repo_id` is not "owner/name".
    """
    if repo_id is not None and not HUB_ID.fullmatch(repo_id):
        raise ValueError(f"repo_id must be OWNER/NAME, got {repo_id!r}.")
    family, config = family_of(model.config), model.config
    licence = licence_for(base_model)
    name = repo_id.split("/")[-1] if repo_id else name or Path(folder).resolve().name
    name = plain_line(name) or "model"
    text = TEMPLATES.from_string(family.template_text()).render(
        card_data=_metadata(family, config, name, results, licence).to_yaml(),
        name=inline_text(name),
        repository=repo_id or NO_REPOSITORY,
        revision=NO_REVISION,
        architecture=type(model).__name__,
        config=config,
        encoder=_encoder(model),
        **_upsampler(config),
        reassembles=all(part.reassembles for part in model.modules() if isinstance(part, GuidedUpsampler)),
        labels=[inline_text(redact(label, relative=False)) for _, label in sorted(config.id2label.items())],
        cost=_cost(count_model(model, *SIZE)),
        licence=licence.text,
        base_model=licence.fields.get("base_model"),
        measured=_measured(family, results),
        picture=PICTURE if (Path(folder) / PICTURE).is_file() else None,
        percent=family.percent,
        auto_class=model._auto_class,  # what register_for_auto_class was given
        channels=getattr(config, "num_channels", family.task.channels),
        task_channels=family.task.channels,
        half=model.dtype != torch.float32,
        dtype=str(model.dtype).removeprefix("torch."),
    )
    path = Path(folder) / "README.md"
    path.write_text(str(ModelCard(text)), encoding="utf-8")
    return path


def _metadata(
    family: Family, config: PretrainedConfig, name: str, results: Mapping | None, licence: Licence
) -> ModelCardData:
    """Say of a model what the Hub sorts and finds it by."""
    return ModelCardData(
        model_name=name,
        library_name="transformers",
        pipeline_tag=family.pipeline_tag,
        tags=[*family.tags, *([config.upsampler] if hasattr(config, "upsampler") else []), PAPER],
        metrics=[key for key in family.metrics if results and _number(results, key) is not None] or None,
        datasets=[found] if results and (found := dataset_id(results)) else None,
        eval_results=_eval_results(family, results),
        **licence.fields,
    )


def set_revision(folder: str | Path, commit: str) -> None:
    """Let the card's example load this commit.

    Raises:
        ValueError: It is not a full commit hash, or the card has no line for it.
    """
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise ValueError(f"A revision must be a full commit hash of 40 hexadecimal digits, got {commit!r}.")
    path = Path(folder) / "README.md"
    line = re.compile(r'^revision = "[\w-]+"', re.MULTILINE)
    card, found = line.subn(f'revision = "{commit}"', path.read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f'{path} has no line `revision = "..."`; publish the model again.')
    path.write_text(card, encoding="utf-8")


def _encoder(model: PreTrainedModel) -> str:
    """Describe the encoder, such as "`resnet` with 64, 128, 256, 512 channels"; "" where it is not known."""
    config = model.config
    chosen = getattr(config, "backbone_config", None)
    if chosen is not None:
        return f"`{chosen.model_type}` with {_listed(model.backbone.channels)} channels"
    if not hasattr(config, "depths"):
        return ""
    return f"depths {_listed(config.depths)} and widths {_listed(config.hidden_sizes)}"


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))


def _upsampler(config: PretrainedConfig) -> dict:
    """Say which upsampler a model has, in words; nothing of a model without one."""
    if not hasattr(config, "upsampler"):
        return {}
    entry = UPSAMPLERS[config.upsampler]
    return {
        "upsampler": entry.description,
        "options": _options(config),
        "plain": entry.is_plain,
        "affiliates": entry.module is SAPA,
    }


def _options(config: PretrainedConfig) -> str:
    """List the options that the upsampler has, such as "kernel size 5, softmax weights"."""
    words = {
        "kernel_size": "kernel size {}",
        "embedding_dim": "embedding dimension {}",
        "normalization": "{} weights",
        "border": 'border "{}"',
        "start": "{} start",
        "heads": "{} heads",
    }
    own = config_options(config)
    names = [name for name in UPSAMPLERS[config.upsampler].options if (name, own[name]) != ("heads", 1)]
    return ", ".join(words[name].format(own[name]) for name in names)


def _measured(family: Family, results: Mapping | None) -> dict | None:
    """Prepare what the template shows of a results file, as text that cannot break its tables."""
    if results is None:
        return None
    dataset, training = results["dataset"], results["training"]
    show = _percent if family.percent else _plain
    overall = [(title, show(_number(results, key))) for key, title in family.metrics.items()]
    scores = ("iou", "boundary_iou", "accuracy")
    classes = [
        [inline_text(row.get("name", row["id"])), *(_percent(row.get(key)) for key in scores)]
        for row in results["per_class"]
    ]
    versions = {key: results["versions"][key] for key in SCHEMA["versions"]}
    return {
        "dataset": inline_text(dataset["name"]),
        "split": inline_text(dataset["split"]),
        "images": dataset["images"],
        "revision": inline_text(dataset["revision"] or ""),
        "overall": overall,
        "classes": classes,
        "protocol": {
            inline_text(key): inline_text(value) for key, value in results.get("evaluation", {}).items()
        },
        "training": {
            key: inline_text(training[key]) for key in ("steps", "batch", "seed", "recipe") if key in training
        },
        "hardware": inline_text(results["hardware"]),
        "versions": ", ".join(f"{key} {inline_text(value)}" for key, value in versions.items() if value),
        "commit": inline_text(results["commit"] or ""),
        "date": inline_text(results["date"])[:10],
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
    name, revision = plain_line(dataset["name"]), dataset["revision"]
    return [
        EvalResult(
            task_type=family.pipeline_tag,
            dataset_type=dataset_id(results) or name,
            dataset_name=name,
            dataset_split=plain_line(dataset["split"]),
            dataset_revision=revision and plain_line(revision),
            metric_type=key,
            metric_name=title,
            metric_value=value,
        )
        for key, title in family.metrics.items()
        if (value := _number(results, key)) is not None
    ] or None


def _number(results: Mapping, key: str) -> float | None:
    value = results["metrics"].get(key)
    return None if value is None else round(float(value), 6)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
