"""Run by test_round_trip.py in a bare interpreter: load by id what was published, and say what came of it.

Usage: `python -I stranger.py PUBLISHING_PACKAGE REPORT.json OUTPUTS.safetensors KERNEL_COMMIT COMMIT...`.
"""

import json
import sys
from pathlib import Path

package, report_path, outputs_path, kernel_commit, *commits = sys.argv[1:]
sys.path.insert(0, package)
from bare_load import Absent  # noqa: E402

sys.meta_path.insert(0, Absent())
import torch  # noqa: E402
import transformers  # noqa: E402
from kernels import get_kernel  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.set_num_threads(1)
pixels = torch.linspace(-1, 1, 3 * 64 * 96).reshape(1, 3, 64, 96)
outputs, modules, report = {}, [], {}
for commit in commits:
    pinned = {"revision": commit, "trust_remote_code": True}
    model = transformers.AutoModelForSemanticSegmentation.from_pretrained("someone/tiny", **pinned).eval()
    modules.append(type(model).__module__)
    with torch.no_grad():
        outputs[commit] = model(pixels).logits.contiguous()
processor = transformers.AutoImageProcessor.from_pretrained("someone/tiny", revision=commits[0])

trusted = {"trust_remote_code": ["someone/sapa"]}
try:
    get_kernel("someone/sapa", version=1)
except ValueError as error:
    report["untrusted"] = str(error)
tensors = [torch.ones(1, 8, 6, 4), torch.ones(1, 4, 3, 4), torch.arange(60.0).reshape(1, 4, 3, 5)]
kernel = get_kernel("someone/sapa", version=1, **trusted)
outputs["kernel"] = kernel.sapa_upsample(*tensors)
pinned = get_kernel("someone/sapa", revision=kernel_commit, **trusted)
report["kernels"] = [kernel.__name__, pinned is kernel]
save_file(outputs, outputs_path)
report |= {"modules": modules, "processor": type(processor).__name__}
Path(report_path).write_text(json.dumps(report))
