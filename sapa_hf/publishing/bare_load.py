"""Run in an interpreter of its own: load a published folder as a stranger would, and write what it computes.

Usage: `python -I bare_load.py FOLDER INPUT.safetensors OUTPUT.safetensors`. Any attempt to import
sapa_hf fails, as it does on a machine that has only transformers.
"""

import importlib.abc
import sys


class Absent(importlib.abc.MetaPathFinder):
    """Pretend that sapa_hf is not installed."""

    def find_spec(self, name: str, path=None, target=None) -> None:
        """Refuse sapa_hf and everything in it."""
        if name.partition(".")[0] == "sapa_hf":
            raise ModuleNotFoundError(f"No module named {name!r}: the folder must stand alone", name=name)


def flattened(output):
    """Give a model's first output as one tensor; detection has several for each image."""
    import torch

    if isinstance(output, torch.Tensor):
        return output.contiguous()
    return torch.cat([part.float().flatten() for image in output for part in image.values()])


def main(folder: str, source: str, target: str) -> None:
    """Load config, processor and both auto classes of the model, and save their outputs for one input."""
    sys.meta_path.insert(0, Absent())
    import torch
    import transformers
    from safetensors.torch import load_file, save_file

    torch.set_num_threads(1)
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=True)
    transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels, outputs = load_file(source)["pixel_values"], {}
    for auto_class in sorted(name for name in config.auto_map if name.startswith("AutoModel")):
        model = getattr(transformers, auto_class).from_pretrained(folder, trust_remote_code=True)
        model = model.float().eval()  # whichever precision the weights are stored in
        with torch.no_grad():
            outputs[auto_class] = flattened(model(pixels)[0])
    save_file(outputs, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
