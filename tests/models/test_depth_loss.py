"""The scale-invariant logarithmic loss: its value, its gradient and what it leaves out."""

import pytest
import torch
from transformers.models.glpn.modeling_glpn import SiLogLoss

from sapa_hf import SapaBtsConfig, SapaGlpnConfig
from sapa_hf.modeling.depth_loss import check_depth_labels, silog_loss


def depths(*shape):
    return torch.rand(*shape, dtype=torch.float64) * 9 + 0.5


def test_equals_the_definition_of_bts():
    predicted, truth = depths(2, 5, 7), depths(2, 5, 7)
    g = predicted.log() - truth.log()
    expected = 10 * (g.square().mean() - 0.85 * g.mean().square()).sqrt()
    loss = silog_loss(predicted, truth, 0.85, 10.0).double()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)


def test_equals_transformers_loss_of_glpn_with_holes():
    predicted, truth = depths(2, 5, 7).float(), depths(2, 5, 7).float()
    truth[:, :2] = 0
    torch.testing.assert_close(silog_loss(predicted, truth, 0.5), SiLogLoss()(predicted, truth))


def test_a_perfect_prediction_has_loss_0_and_gradient_0():
    truth = depths(1, 4, 4).float()
    predicted = truth.clone().requires_grad_()
    loss = silog_loss(predicted, truth, 0.85, 10.0)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(predicted.grad, torch.zeros_like(truth))


def test_no_valid_pixel_gives_0_with_a_graph():
    predicted = depths(1, 4, 4).requires_grad_()
    loss = silog_loss(predicted, torch.zeros(1, 4, 4), 0.85, 10.0)
    loss.backward()
    assert loss.item() == 0 and not predicted.grad.any()


def test_pixels_without_a_usable_measurement_count_for_nothing():
    predicted, truth = depths(1, 1, 6), depths(1, 1, 6)
    alone = silog_loss(predicted[..., :2], truth[..., :2], 0.85)
    truth[..., 2:] = torch.tensor([0.0, float("nan"), float("inf"), 80.0])
    predicted.requires_grad_()
    loss = silog_loss(predicted, truth, 0.85, max_depth=10.0)
    loss.backward()
    torch.testing.assert_close(loss, alone)
    assert torch.isfinite(predicted.grad).all() and not predicted.grad[..., 2:].any()


def test_a_prediction_of_0_is_no_nan():
    predicted = torch.zeros(1, 2, 2, requires_grad=True)
    loss = silog_loss(predicted, torch.ones(1, 2, 2), 0.85)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(predicted.grad).all()


def test_half_precision_predictions_are_compared_in_float32():
    predicted, truth = depths(1, 8, 8).bfloat16(), depths(1, 8, 8).float()
    torch.testing.assert_close(
        silog_loss(predicted, truth, 0.85), silog_loss(predicted.float(), truth, 0.85), rtol=0, atol=0
    )


def test_millimetres_and_other_sizes_are_refused():
    predicted = torch.ones(1, 4, 4)
    with pytest.raises(TypeError, match="1000"):
        check_depth_labels(torch.ones(1, 4, 4, dtype=torch.int32), predicted)
    with pytest.raises(ValueError, match=r"\(1, 4, 4\).*\(1, 2, 2\)"):
        check_depth_labels(torch.ones(1, 2, 2), predicted)


@pytest.mark.parametrize("config_class", [SapaBtsConfig, SapaGlpnConfig])
@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("min_depth", 10.0, ValueError),
        ("min_depth", -1.0, ValueError),
        ("silog_scale", 0.0, ValueError),
        ("silog_variance_focus", 1.5, ValueError),
        ("silog_variance_focus", "0.85", TypeError),
    ],
)
def test_configs_refuse_depth_fields_that_do_not_fit(config_class, field, value, error):
    with pytest.raises(error, match=field):
        config_class(**{field: value})
