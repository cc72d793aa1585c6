"""Everything a training run can be told, in five groups; recipes and command lines use the same keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import yaml


class Options(dict):
    """A mapping written as YAML: indented lines in a recipe, `{depths: [1, 1, 1, 1]}` on the command line."""

    def __init__(self, content: str | dict = "{}"):
        value = yaml.safe_load(content) if isinstance(content, str) else content
        if not isinstance(value, dict):
            raise TypeError(f"expected a mapping such as {{key: value}}, got {content!r}")
        super().__init__(value)


@dataclass
class DataArguments:
    """What the model learns from, and how an image becomes a training crop.

    The transform's defaults are the paper's recipe for ADE20K (mmsegmentation's pipeline).
    """

    _argument_group_name = "data"

    dataset: str = field(default="scenes", metadata={"help": "name of a data set that sapa_hf.data knows"})
    data_path: str | None = field(
        default=None, metadata={"help": "Hub id or local folder, instead of the usual one"}
    )
    data_fields: Options = field(
        default_factory=Options,
        metadata={
            "help": "other fields of the data set's spec, such as {image_column: photo, revision: <hash>}"
        },
    )
    streaming: bool = field(
        default=False, metadata={"help": "read the training split as a stream, without a copy"}
    )
    shuffle_buffer: int = field(default=1000, metadata={"help": "images a stream is shuffled within"})
    on_bad: Literal["raise", "skip"] = field(
        default="raise",
        metadata={"help": "a broken image or label stops the run, or is counted and replaced"},
    )
    num_workers: int = field(
        default=0, metadata={"help": "processes that read and transform images, per rank"}
    )
    crop_size: int = field(default=512, metadata={"help": "side of the training crop, pixels"})
    base_size: list[int] = field(
        default_factory=lambda: [2048, 512],
        metadata={"help": "long and short side an image is fitted into at scale 1"},
    )
    scale: list[float] = field(
        default_factory=lambda: [0.5, 2.0], metadata={"help": "range of the random scale on top of base_size"}
    )
    cat_max_ratio: float = field(default=0.75, metadata={"help": "largest share of one class in a crop"})
    flip: float = field(default=0.5, metadata={"help": "probability of a left-right flip"})
    photometric: bool = field(default=True, metadata={"help": "random changes of the colours"})
    transform: Options = field(
        default_factory=Options,
        metadata={"help": "depth: more about the transform, such as {crop_size: [416, 544], rotation: 2.5}"},
    )


@dataclass
class ModelArguments:
    """Which network is trained, and what it starts from."""

    _argument_group_name = "model"

    architecture: str | None = field(
        default=None, metadata={"help": "which network, where the task has several; depth: bts or glpn"}
    )
    checkpoint: str | None = field(
        default=None,
        metadata={
            "help": "Hub id or folder to start from (own, SegFormer, or ImageNet MiT); null is from scratch"
        },
    )
    checkpoint_revision: str | None = field(default=None, metadata={"help": "commit of a Hub checkpoint"})
    upsampler: str = field(default="sapa-g", metadata={"help": "the feature upsampling operator"})
    upsampler_kernel_size: int = field(default=5, metadata={"help": "window side K, odd"})
    upsampler_embedding_dim: int = field(
        default=64, metadata={"help": "embedding dimension d of the similarity"}
    )
    upsampler_normalization: str = field(
        default="softmax", metadata={"help": "how scores become kernel weights"}
    )
    upsampler_border: str = field(default="zero", metadata={"help": "what a tap outside the map is"})
    model_config: Options = field(
        default_factory=Options,
        metadata={"help": "any other field of the model's config, such as {depths: [1, 1, 1, 1]}"},
    )
    frozen: list[str] = field(
        default_factory=list,
        metadata={"help": "depth: parameters whose names hold one of these patterns are not trained"},
    )
    gradient_checkpointing: bool = field(
        default=False, metadata={"help": "recompute activations to save memory"}
    )


@dataclass
class OptimizationArguments:
    """How the weights move. The defaults are the paper's recipe for SegFormer-B1."""

    _argument_group_name = "optimization"

    max_steps: int = field(default=160_000, metadata={"help": "optimizer steps"})
    batch_size: int = field(default=16, metadata={"help": "images of one micro-batch, per process"})
    gradient_accumulation_steps: int = field(
        default=1, metadata={"help": "micro-batches of a step, per process"}
    )
    learning_rate: float = field(default=6e-5, metadata={"help": "peak learning rate of the backbone"})
    head_lr_multiplier: float = field(
        default=10.0, metadata={"help": "the head's, upsamplers included, is this higher"}
    )
    weight_decay: float = field(default=0.01, metadata={"help": "AdamW's decoupled weight decay"})
    head_weight_decay: float | None = field(
        default=None, metadata={"help": "the head's, upsamplers included; null is the same"}
    )
    no_decay: list[str] = field(
        default_factory=lambda: ["norm", "pos_block"],
        metadata={"help": "no decay for backbone parameters with one of these in their name"},
    )
    no_decay_in_head: bool = field(default=False, metadata={"help": "apply no_decay to the head too"})
    betas: list[float] = field(
        default_factory=lambda: [0.9, 0.999], metadata={"help": "AdamW's averaging factors"}
    )
    adam_epsilon: float = field(default=1e-8, metadata={"help": "AdamW's term against division by zero"})
    warmup_steps: int = field(default=1500, metadata={"help": "steps of linear warm-up"})
    warmup_ratio: float = field(
        default=1e-6, metadata={"help": "share of the learning rate that warm-up starts from"}
    )
    power: float = field(
        default=1.0, metadata={"help": "exponent of the polynomial decay; 1 is a straight line"}
    )
    min_lr: float = field(default=0.0, metadata={"help": "learning rate that the decay ends at"})
    max_grad_norm: float | None = field(
        default=None, metadata={"help": "clip the gradient's norm; null never clips"}
    )
    mixed_precision: Literal["no", "fp16", "bf16"] = field(
        default="no", metadata={"help": "autocast precision"}
    )


@dataclass
class EvaluationArguments:
    """When and how the model is scored."""

    _argument_group_name = "evaluation"

    eval_steps: int = field(
        default=16_000, metadata={"help": "steps between evaluations; the last step always has one"}
    )
    eval_limit: int | None = field(
        default=None, metadata={"help": "score only so many images while training"}
    )
    eval_short_side: int | None = field(
        default=512, metadata={"help": "short side images are resized to; null keeps"}
    )
    eval_max_side: int = field(default=2048, metadata={"help": "longest side after that resize"})
    eval_multiple: int = field(default=32, metadata={"help": "sides are rounded to multiples of this"})
    metric: Options = field(
        default_factory=Options,
        metadata={"help": "depth: options of the metric, such as {crop: eigen, max_depth: 10}"},
    )
    final_split: str | None = field(
        default=None,
        metadata={"help": "split of the final results; null is the test split of the data set"},
    )
    pictures: int = field(default=3, metadata={"help": "images drawn at every evaluation"})


@dataclass
class RunArguments:
    """Where a run lives, how it is watched and how it goes on after an interruption."""

    _argument_group_name = "run"

    recipe: str | None = field(
        default=None, metadata={"help": "name for the records; the recipe file's, if not given"}
    )
    task: str = field(
        default="image-segmentation", metadata={"help": "what is learnt: a name in sapa_hf.tasks"}
    )
    output_dir: str = field(default="runs/latest", metadata={"help": "folder the run writes into"})
    resume: bool = field(
        default=False, metadata={"help": "go on from the newest checkpoint in output_dir, if any"}
    )
    overwrite: bool = field(default=False, metadata={"help": "delete an earlier run in output_dir first"})
    seed: int = field(default=0, metadata={"help": "decides weights, order, crops and dropout"})
    checkpoint_steps: int = field(default=2000, metadata={"help": "steps between checkpoints"})
    keep_checkpoints: int = field(default=2, metadata={"help": "checkpoints kept; older ones are deleted"})
    log_steps: int = field(default=50, metadata={"help": "steps between lines of log.jsonl"})
    log_sample_ids: bool = field(
        default=False, metadata={"help": "write every step's image ids to log.jsonl"}
    )
    tracker: Literal["tensorboard", "trackio", "none"] = field(
        default="tensorboard", metadata={"help": "where curves and pictures go besides log.jsonl"}
    )
    cpu: bool = field(default=False, metadata={"help": "stay on the CPU even where there is a GPU"})


class Arguments(NamedTuple):
    """The five groups of one run."""

    data: DataArguments
    model: ModelArguments
    optimization: OptimizationArguments
    evaluation: EvaluationArguments
    run: RunArguments


GROUPS = (DataArguments, ModelArguments, OptimizationArguments, EvaluationArguments, RunArguments)
