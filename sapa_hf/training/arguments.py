"""Everything a training run can be told, in five groups; recipes and command lines use the same keys."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import Any, Literal, get_type_hints

from sapa_hf.modeling.upsampler_config import UpsamplerFields

from .settings import AT_LEAST_0, POSITIVE, SHARE, UNSAID, Rule, setting

SHARE_ABOVE_0 = Rule(
    lambda value: 0 < value <= 1, "a number above 0 and at most 1, which turns the check off"
)
SIDES = Rule(lambda value: len(value) == 2 and min(value) > 0, "two positive lengths, long side then short")
RANGE = Rule(
    lambda value: len(value) == 2 and 0 < value[0] <= value[1], "two positive factors, low then high"
)
AVERAGES = Rule(
    lambda value: len(value) == 2 and 0 <= min(value) <= max(value) < 1, "two numbers from 0 to below 1"
)
STEPS = Rule(lambda value: all(step > 0 for step in value), "numbers above 0")
SEED = Rule(lambda value: 0 <= value < 2**31, "a number from 0 to 2147483647")
FOLDER = Rule(bool, "the name of a folder")


@dataclass
class DataArguments:
    """What the model learns from, and how an image becomes a training crop.

    The transform's defaults are the paper's recipe for ADE20K (mmsegmentation's pipeline).
    """

    dataset: str = setting("scenes", "name of a data set that sapa_hf.data knows")
    data_path: str | None = setting(
        None, "Hub id or local folder, instead of the usual one", affects="nothing"
    )
    data_fields: dict[str, Any] = setting(
        {}, "other fields of the data set's spec, such as {image_column: photo, revision: <hash>}"
    )
    streaming: bool = setting(False, "read the training split as a stream, without a copy")
    shuffle_buffer: int = setting(1000, "images a stream is shuffled within", POSITIVE)
    on_bad: Literal["raise", "skip"] = setting(
        "raise", "a broken image or label stops the run, or is counted and replaced"
    )
    num_workers: int = setting(
        0, "processes that read and transform images, per rank", AT_LEAST_0, affects="nothing"
    )
    crop_size: int = setting(512, "height of the training crop, pixels", POSITIVE, by_task=True)
    crop_width: int | None = setting(None, "its width; null is a square crop", POSITIVE, by_task=True)
    base_size: list[int] = setting(
        [2048, 512], "long and short side an image is fitted into at scale 1", SIDES, by_task=True
    )
    scale: list[float] = setting(
        [0.5, 2.0], "range of the random scale on top of base_size", RANGE, by_task=True
    )
    cat_max_ratio: float = setting(0.75, "largest share of one class in a crop", SHARE_ABOVE_0, by_task=True)
    flip: float = setting(0.5, "probability of a left-right flip", SHARE)
    photometric: bool = setting(True, "random changes of the colours", by_task=True)
    transform: dict[str, Any] = setting(
        {},
        "depth, matting: more about the transform, such as {crop_size: [416, 544], rotation: 2.5}",
        by_task=True,
    )

    @property
    def crop(self) -> tuple[int, int]:
        """Height and width of the training crop."""
        return self.crop_size, self.crop_width or self.crop_size


@dataclass
class ModelArguments(UpsamplerFields):
    """Which network is trained, and what it starts from."""

    architecture: str | None = setting(
        None,
        "which network: segformer, maskformer, mask2former, segnet or upernet; depth: bts or glpn",
        by_task=True,
    )
    checkpoint: str | None = setting(
        None, "Hub id or folder to start from, of a whole model or its encoder; null is from scratch"
    )
    checkpoint_revision: str | None = setting(None, "commit of a Hub checkpoint")
    model_config: dict[str, Any] = setting(
        {}, "any other field of the model's config, such as {depths: [1, 1, 1, 1]}"
    )
    class_weights: Literal["median_frequency"] | None = setting(
        None, "what a pixel of each class counts in the loss; null is all alike", by_task=True
    )
    frozen: list[str] = setting(
        [], "depth: parameters whose names hold one of these patterns are not trained", by_task=True
    )
    gradient_checkpointing: bool = setting(False, "recompute activations to save memory")


@dataclass
class OptimizationArguments:
    """How the weights move. The defaults are the paper's recipe for SegFormer-B1."""

    max_steps: int = setting(160_000, "optimizer steps", POSITIVE)
    batch_size: int = setting(16, "images of one micro-batch, per process", POSITIVE)
    gradient_accumulation_steps: int = setting(1, "micro-batches of a step, per process", POSITIVE)
    learning_rate: float = setting(6e-5, "peak learning rate of the backbone", POSITIVE)
    head_lr_multiplier: float = setting(10.0, "the head's, upsamplers included, is this higher", POSITIVE)
    upsampler_lr_multiplier: float = setting(1.0, "the upsamplers', of the head's", POSITIVE)
    optimizer: Literal["adamw", "sgd"] = setting("adamw", "how a gradient becomes a step")
    momentum: float = setting(0.9, "SGD's averaging factor", SHARE)
    weight_decay: float = setting(0.01, "weight decay, decoupled in AdamW", AT_LEAST_0)
    head_weight_decay: float | None = setting(
        None, "the head's, upsamplers included; null is the same", AT_LEAST_0
    )
    no_decay: list[str] = setting(
        ["norm", "pos_block"], "no decay for backbone parameters with one of these in their name"
    )
    no_decay_in_head: bool = setting(False, "apply no_decay to the head too")
    betas: list[float] = setting([0.9, 0.999], "AdamW's averaging factors", AVERAGES)
    adam_epsilon: float = setting(1e-8, "AdamW's term against division by zero", POSITIVE)
    warmup_steps: int = setting(1500, "steps of linear warm-up", AT_LEAST_0)
    warmup_ratio: float = setting(1e-6, "share of the learning rate that warm-up starts from", SHARE)
    power: float = setting(
        1.0, "exponent of the polynomial decay; 1 is a straight line, 0 constant", AT_LEAST_0
    )
    milestones: list[int] = setting([], "steps from which the learning rate is a tenth of before", STEPS)
    min_lr: float = setting(0.0, "learning rate that the decay ends at", AT_LEAST_0)
    max_grad_norm: float | None = setting(None, "clip the gradient's norm; null never clips", POSITIVE)
    mixed_precision: Literal["no", "fp16", "bf16"] = setting("no", "autocast precision")
    channels_last: bool = setting(False, "keep feature maps in channels-last order: faster with convolutions")


@dataclass
class EvaluationArguments:
    """When and how the model is scored."""

    eval_steps: int = setting(
        16_000, "steps between evaluations; the last step always has one", POSITIVE, affects="results"
    )
    eval_limit: int | None = setting(
        None, "score only so many images while training", POSITIVE, affects="results"
    )
    eval_short_side: int | None = setting(
        512, "short side images are resized to; null keeps", POSITIVE, by_task=True
    )
    eval_max_side: int = setting(2048, "longest side after that resize", POSITIVE, by_task=True)
    eval_multiple: int = setting(32, "sides are rounded to multiples of this", POSITIVE, by_task=True)
    metric: dict[str, Any] = setting(
        {}, "depth: options of the metric, such as {crop: eigen, max_depth: 10}", by_task=True
    )
    final_split: str | None = setting(
        None, "split of the final results; null is the test split of the data set", affects="results"
    )
    pictures: int = setting(3, "images drawn at every evaluation", AT_LEAST_0, affects="nothing")


@dataclass
class RunArguments:
    """Where a run lives, how it is watched and how it goes on after an interruption."""

    recipe: str | None = setting(
        None, "name for the records; the recipe file's, if not given", affects="nothing"
    )
    task: str = setting("image-segmentation", "what is learnt: a name in sapa_hf.tasks")
    output_dir: str = setting("runs/latest", "folder the run writes into", FOLDER, affects="nothing")
    resume: bool = setting(
        False, "go on from the newest checkpoint in output_dir, if any", affects="nothing", once=True
    )
    overwrite: bool = setting(
        False, "delete an earlier run in output_dir first", affects="nothing", once=True
    )
    seed: int = setting(0, "decides weights, order, crops and dropout", SEED)
    checkpoint_steps: int = setting(2000, "steps between checkpoints", POSITIVE, affects="nothing")
    keep_checkpoints: int = setting(
        2, "checkpoints kept; older ones are deleted", POSITIVE, affects="nothing"
    )
    log_steps: int = setting(50, "steps between lines of log.jsonl", POSITIVE, affects="nothing")
    log_kernels: bool = setting(
        False, "log how flat SAPA's kernels are, and their largest logit", affects="nothing"
    )
    log_sample_ids: bool = setting(False, "write every step's image ids to log.jsonl", affects="nothing")
    tracker: Literal["tensorboard", "trackio", "none"] = setting(
        "tensorboard", "where curves and pictures go besides log.jsonl", affects="nothing"
    )
    cpu: bool = setting(False, "stay on the CPU even where there is a GPU", affects="results")


@dataclass
class Arguments:
    """The five groups of one run, and which keys were given rather than left at their defaults."""

    data: DataArguments
    model: ModelArguments
    optimization: OptimizationArguments
    evaluation: EvaluationArguments
    run: RunArguments
    given: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def groups(self) -> tuple:
        """The five groups in order."""
        return self.data, self.model, self.optimization, self.evaluation, self.run


GROUPS = {
    "data": DataArguments,
    "model": ModelArguments,
    "optimization": OptimizationArguments,
    "evaluation": EvaluationArguments,
    "run": RunArguments,
}
FIELDS: dict[str, Field] = {entry.name: entry for group in GROUPS.values() for entry in fields(group)}
ABOUT: dict[str, dict[str, Any]] = {name: UNSAID | entry.metadata for name, entry in FIELDS.items()}
TYPES: dict[str, Any] = {}
for _group in GROUPS.values():
    TYPES |= get_type_hints(_group)
