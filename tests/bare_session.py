"""Run in a bare interpreter by test_hub_folder.py: do with a published folder what a stranger does.

Usage: `python -I bare_session.py PUBLISHING_PACKAGE FOLDER PICTURE RESAVED REPORT.json`.
"""

import json
import sys

package, folder, picture, resaved, report_path = sys.argv[1:]
sys.path.insert(0, package)
from bare_load import Absent  # noqa: E402

sys.meta_path.insert(0, Absent())
import torch  # noqa: E402
import transformers  # noqa: E402
from PIL import Image  # noqa: E402

events = []
sys.addaudithook(
    lambda event, values: (
        events.append([event, str(values)]) if event in ("ctypes.dlopen", "socket.connect") else None
    )
)
trust = {"trust_remote_code": True}
image = Image.open(picture)
processor = transformers.AutoImageProcessor.from_pretrained(folder)
general = transformers.AutoModel.from_pretrained(folder, **trust).eval()
model = transformers.AutoModelForSemanticSegmentation.from_pretrained(folder, **trust).eval()
pixels = processor(image, return_tensors="pt").pixel_values
with torch.no_grad():
    logits = model(pixels).logits
    equal = torch.equal(general(pixels).logits, logits)
segments = transformers.pipeline("image-segmentation", folder, **trust)(image)

model.save_pretrained(resaved)
again = transformers.AutoModelForSemanticSegmentation.from_pretrained(resaved, **trust).eval()
with torch.no_grad():
    resaved_equal = torch.equal(again(pixels).logits, logits)
report = {
    "classes": [type(general).__name__, type(model).__name__, type(processor).__name__],
    "modules": [type(general).__module__, type(again).__module__],
    "sapa_hf": [name for name in sys.modules if name.startswith("sapa_hf")],
    "auto_models_agree": equal,
    "segments": [[segment["label"], segment["mask"].size] for segment in segments],
    "resaved_equal": resaved_equal,
    "events": events,
}
with open(report_path, "w") as file:
    json.dump(report, file)
