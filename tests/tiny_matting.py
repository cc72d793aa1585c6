"""Matting training runs small enough for tests; settings on top of tiny_training's."""

MATTING = [
    "task=image-matting",
    "architecture=a2u",
    "dataset=alphamatting",
    "data_fields={}",
    "model_config={hidden_sizes: [8, 8, 12, 16], depths: [1, 1, 1], dropout: 0.1}",
    "crop_size=32",
    "transform={trimap: [1, 5]}",
    "pictures=1",
    "learning_rate=0.03",
    "max_steps=6",
]
