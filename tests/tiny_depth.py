"""Depth training runs small enough for tests; settings on top of tiny_training's."""

OPTIONS = "{options: {count: 10, eval_count: 2, size: 32}, label_column: null}"
GLPN = [
    "task=depth-estimation",
    "architecture=glpn",
    f"data_fields={OPTIONS}",
    "transform={frame: null}",
    "metric={crop: eigen}",
    "model_config.drop_path_rate=0",
    "model_config.sr_ratios=[4, 2, 1, 1]",
    "eval_short_side=null",
    "max_steps=6",
]
BTS = [
    "task=depth-estimation",
    f"data_fields={OPTIONS}",
    "transform={frame: null}",
    "eval_short_side=null",
    "model_config={embedding_size: 8, hidden_sizes: [8, 8, 16, 16], depths: [1, 1, 1, 1]}",
    "model_config.decoder_hidden_size=32",
    "frozen=[^resnet.embedder., ^resnet.encoder.*layer.[0-9].normalization]",
    "head_weight_decay=0",
    "max_steps=2",
]
