"""The models train and infer through the kernel, and agree with plain PyTorch."""

import pytest
import torch

from sapa_hf.modeling import SapaSegformerConfig, SapaSegformerForSemanticSegmentation, use_backend


def tiny_model(upsampler="sapa-g"):
    config = SapaSegformerConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        num_labels=5,
        upsampler=upsampler,
        upsampler_embedding_dim=8,
    )
    return SapaSegformerForSemanticSegmentation(config)


def loss_and_gradients(model, pixels, labels):
    model.zero_grad()
    output = model(pixels, labels=labels)
    output.loss.backward()
    return [output.logits.detach(), output.loss.detach(), *(p.grad.clone() for p in model.parameters())]


# CARAFE, A2U and FADE reassemble by the same operator.
@pytest.mark.parametrize("upsampler", ["sapa-i", "sapa-b", "sapa-g", "sapa-p", "carafe", "a2u", "fade"])
def test_segformer_trains_alike_with_kernel_and_plain_pytorch(repository, upsampler):
    model = tiny_model(upsampler).eval()
    for parameter in model.decode_head.upsamplers.parameters():  # away from kernels that are all alike
        torch.nn.init.normal_(parameter, std=0.3)
    pixels, labels = torch.randn(2, 3, 64, 96), torch.randint(0, 5, (2, 64, 96))
    with use_backend("plain"):
        expected = loss_and_gradients(model, pixels, labels)
    with use_backend(str(repository)):
        got = loss_and_gradients(model, pixels, labels)
    for x, y in zip(expected, got, strict=True):
        torch.testing.assert_close(y, x, rtol=1e-3, atol=1e-5)


def test_the_backend_is_not_saved(repository, tmp_path):
    model = tiny_model()
    with use_backend(str(repository)):
        model(torch.randn(1, 3, 32, 32))
        model.save_pretrained(tmp_path)
    config = (tmp_path / "config.json").read_text()
    assert "backend" not in config and str(repository) not in config
