"""Run by test_round_trip.py in a bare interpreter, without a Hub: load what stranger.py left in the cache.

Usage: `python -I offline.py PUBLISHING_PACKAGE REPORT.json OUTPUTS.safetensors KERNEL_COMMIT COMMIT`.
"""

import json
import os
import sys
from pathlib import Path

package, report_path, outputs_path, kernel_commit, commit = sys.argv[1:]
sys.path.insert(0, package)
from bare_load import Absent  # noqa: E402

sys.meta_path.insert(0, Absent())
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.set_num_threads(1)
report = {}
try:
    Path(os.environ["HF_HOME"], "probe").write_text("")
except OSError as error:
    report["cache"] = type(error).__name__
pinned = {"revision": commit, "trust_remote_code": True}
model = transformers.AutoModelForSemanticSegmentation.from_pretrained("someone/tiny", **pinned).eval()
transformers.AutoImageProcessor.from_pretrained("someone/tiny", revision=commit)
with torch.no_grad():
    logits = model(torch.linspace(-1, 1, 3 * 64 * 96).reshape(1, 3, 64, 96)).logits

# The kernel, through the model's own code.
sapa_upsample = sys.modules[type(model).__module__.rpartition(".")[0] + ".affiliation"].sapa_upsample
query, key, value = torch.ones(1, 8, 6, 4), torch.ones(1, 4, 3, 4), torch.arange(60.0).reshape(1, 4, 3, 5)
upsampled = sapa_upsample(query.requires_grad_(), key, value, backend=f"someone/sapa@{kernel_commit}")
report["kernel"] = type(upsampled.grad_fn).__name__
save_file({"logits": logits.contiguous(), "kernel": upsampled.detach()}, outputs_path)
Path(report_path).write_text(json.dumps(report))
