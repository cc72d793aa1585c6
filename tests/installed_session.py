"""Run in an interpreter of its own by test_packaging.py: use the installed package away from the checkout.

Usage: `python -I installed_session.py TARGET`, TARGET being where it was installed.
"""

import importlib
import pkgutil
import sys
from pathlib import Path

target = Path(sys.argv[1]).resolve()
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in getattr(finder, "__module__", "")]
sys.path.insert(0, str(target))

import torch  # noqa: E402

import sapa_hf  # noqa: E402
from sapa_hf.metrics import load_metric  # noqa: E402
from sapa_hf.publishing import families  # noqa: E402
from sapa_hf.training import parse_arguments, recipe_names  # noqa: E402

for module in pkgutil.walk_packages(sapa_hf.__path__, "sapa_hf."):
    if not module.name.startswith(("sapa_hf.scripts.", "sapa_hf.publishing.bare_load")):
        importlib.import_module(module.name)

recipes = recipe_names()
assert "segformer_tiny_scenes" in recipes
for recipe in recipes:
    parse_arguments([recipe])
for family in families():
    assert "{% block" in family.template_text()
for metric in ("mean_iou", "boundary_iou"):
    load_metric(metric)
assert len(sapa_hf.data.get_spec("ade20k").id2label) == 150

config = sapa_hf.SapaSegformerConfig(
    depths=[1] * 4,
    hidden_sizes=[8, 16, 24, 32],
    num_attention_heads=[1, 2, 3, 4],
    decoder_hidden_size=16,
    num_labels=5,
)
model = sapa_hf.SapaSegformerForSemanticSegmentation(config).eval()
with torch.no_grad():
    assert model(torch.randn(1, 3, 64, 64)).logits.shape == (1, 5, 16, 16)
model.save_pretrained("saved")
assert Path("saved/modeling_sapa_segformer.py").is_file()

files = [
    Path(m.__file__) for name, m in sys.modules.items() if name.partition(".")[0] == "sapa_hf" and m.__file__
]
assert files and all(path.resolve().is_relative_to(target) for path in files), files
