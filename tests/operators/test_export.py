"""An upsampler exported once takes any batch and size; a whole model's export is in the models' contract."""

import pytest
import torch

from sapa_hf.modeling import build_upsampler


def free_sizes():
    batch, height, width = (torch.export.Dim(dim, max=64) for dim in ("batch", "height", "width"))
    return {0: batch, 2: 2 * height, 3: 2 * width}, {0: batch, 2: height, 3: width}


def maps(batch, height, width):
    return torch.randn(batch, 8, 2 * height, 2 * width), torch.randn(batch, 8, height, width)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["carafe", "a2u", "dysample"])
def test_by_torch(name):
    upsampler = build_upsampler(name, 8, 8)
    exported = torch.export.export(upsampler, maps(2, 5, 3), dynamic_shapes=free_sizes()).module()
    others = maps(3, 4, 6)
    torch.testing.assert_close(exported(*others), upsampler(*others))


@pytest.mark.slow
def test_by_onnx(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    upsampler, path = build_upsampler("sapa-b", 8, 8, embedding_dim=4).eval(), str(tmp_path / "sapa.onnx")
    torch.onnx.export(upsampler, maps(2, 5, 3), path, dynamo=True, dynamic_shapes=free_sizes(), verbose=False)
    session = onnxruntime.InferenceSession(path)
    for inputs in (maps(2, 5, 3), maps(1, 2, 2), maps(3, 4, 6)):
        given = {node.name: one.numpy() for node, one in zip(session.get_inputs(), inputs, strict=True)}
        (output,) = session.run(None, given)
        torch.testing.assert_close(torch.from_numpy(output), upsampler(*inputs), rtol=1e-4, atol=1e-5)
