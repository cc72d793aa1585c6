"""What a swap leaves alone unless it is asked for, and what it refuses in words."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hand_written import PaddedUNet, UNet, layers
from swap_contract import flat, same
from torch import nn
from torch.utils.checkpoint import checkpoint

from sapa_hf import find_upsampling, replace_upsampling, restore_upsampling

IMAGE = torch.randn(1, 3, 32, 48)


class Decoder(nn.Module):
    """An encoder's two maps and a merge that a test writes; `merge` gets the module, fine and coarse map."""

    def __init__(self, merge):
        super().__init__()
        self.fine, self.coarse, self.merge = layers(3, 8), layers(8, 8, 2), merge
        self.norm, self.mix = nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, image):
        fine = self.fine(image)
        return self.merge(self, fine, self.coarse(fine))


def enlarge(feature, **settings):
    return F.interpolate(feature, **{"scale_factor": 2, "mode": "bilinear"} | settings)


def twice_enlarged(net, fine, coarse):
    return torch.cat([enlarge(coarse), enlarge(net.mix(coarse))], dim=1)


UNCLEAR = {
    "goes into mul before it is merged": lambda net, fine, coarse: enlarge(coarse) * fine,
    "goes into conv2d before": lambda net, fine, coarse: net.mix(net.mix(enlarge(coarse))) + fine,
    "merged with other enlarged maps alone": twice_enlarged,
    "a sum with a map of another shape": lambda net, fine, coarse: enlarge(coarse) + fine.mean((2, 3), True),
    "does not enlarge": lambda net, fine, coarse: coarse + enlarge(fine, scale_factor=0.5),
    "single position": lambda net, fine, coarse: (
        fine + enlarge(coarse.mean((2, 3), True), scale_factor=None, size=fine.shape[2:])
    ),
    "merged with nothing": lambda net, fine, coarse: (enlarge(coarse), fine)[1],
    "gives it out": lambda net, fine, coarse: enlarge(coarse),
    "cat before it is merged": lambda net, fine, coarse: torch.cat([enlarge(coarse), fine], dim=0),
}


@pytest.mark.parametrize("reason", UNCLEAR)
def test_what_is_unclear_is_refused_by_name(reason):
    model = Decoder(UNCLEAR[reason])
    (site, *_) = find_upsampling(model, IMAGE)
    assert reason in site.reason and site.name.startswith("(network)")
    with pytest.raises(ValueError, match="no upsampling that can be replaced"):
        replace_upsampling(model, "sapa-b", IMAGE)


def test_a_site_inside_a_sequential_module_of_its_own_forward_is_refused():
    class Block(nn.Sequential):
        def forward(self, fine):
            return fine + enlarge(super().forward(fine))

    model = nn.Sequential(Block(layers(3, 3, 2)))
    assert "would run the parameters as a step" in find_upsampling(model, IMAGE)[0].reason


def test_a_traced_network_and_one_with_another_s_forward_are_refused():
    traced = torch.fx.symbolic_trace(UNet())
    assert "fixed code" in find_upsampling(traced, IMAGE)[-1].reason
    hooked = UNet()
    hooked.forward = hooked.forward
    assert "another library has replaced" in find_upsampling(hooked, IMAGE)[-1].reason


def quarter(net, fine, coarse):
    coarse = enlarge(net.mix(coarse[:, :, ::2, ::2]), scale_factor=4)
    return torch.cat([fine, fine, coarse], dim=1)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [("sapa-i", {}, "equal counts"), ("carafe", {}, "twice the size"), ("sapa-b", {"kernel_size": 4}, "odd")],
)
def test_an_upsampler_that_does_not_fit_says_so(name, options, reason):
    model = Decoder(quarter)
    with pytest.raises(ValueError, match=reason):
        replace_upsampling(model, name, IMAGE, **options)
    assert not [name for name in model.state_dict() if "guided" in name]


def test_the_final_resize_is_guided_by_the_image_when_asked():
    class Half(UNet):
        def forward(self, pixel_values):
            return F.interpolate(super().forward(pixel_values[:, :, ::2, ::2]), scale_factor=2)

    model, example = Half().eval(), {"pixel_values": IMAGE}
    assert "logits=True" in find_upsampling(model, example)[-1].reason
    table = replace_upsampling(model, "sapa-b", example, logits=True)
    assert [site.guide[1] for site in table.replaced] == [16, 8, 3]
    assert torch.equal(model(**example), model(IMAGE)) and model(IMAGE).shape == (1, 5, 32, 48)
    assert "guided_upsamplers.0.key.weight" in model.state_dict()


def test_a_transposed_convolution_is_replaced_when_asked_and_starts_with_its_weights():
    model, image = PaddedUNet(transposed=True).eval(), torch.randn(1, 3, 33, 49)
    assert "transposed=True" in find_upsampling(model, image)[0].reason
    before = model(image)
    replace_upsampling(model, "bilinear", image, transposed=True)
    smooth = (model(image) - before).abs().mean()
    assert 0 < smooth < 0.5 * before.std()
    restore_upsampling(model)
    assert torch.equal(model(image), before)


def test_only_the_sites_that_are_named_are_replaced():
    model = UNet()
    table = replace_upsampling(model, "sapa-b", IMAGE, sites=["up#1"])
    assert [site.name for site in table.replaced] == ["up#1"]
    with pytest.raises(ValueError, match="already: call restore_upsampling"):
        replace_upsampling(model, "sapa-b", IMAGE)
    restore_upsampling(model)
    with pytest.raises(ValueError, match="sites must be among up#0, up#1; got up#7"):
        find_upsampling(model, IMAGE, sites=["up#7"])
    with pytest.raises(ValueError, match="Nothing to restore"):
        restore_upsampling(model)
    refused = Decoder(UNCLEAR["goes into mul before it is merged"])
    with pytest.raises(ValueError, match=r"\(network\) cannot be replaced: it goes into mul"):
        replace_upsampling(refused, "sapa-b", IMAGE, sites=["(network)"])


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module"):
        find_upsampling("UNet", IMAGE)
    with pytest.raises(ValueError, match="upsampler must be one of"):
        find_upsampling(UNet(), IMAGE, "sapa")
    with pytest.raises(ValueError, match="needs the indices"):
        replace_upsampling(UNet(), "max_unpool", IMAGE)
    with pytest.raises(TypeError, match="must be among"):
        replace_upsampling(UNet(), "sapa-b", IMAGE, window=5)


def ways(net, fine, coarse):
    enlarged = enlarge(coarse)
    if net.way == "multiplied":
        return enlarged * fine
    if net.way == "given out":
        return fine, enlarged
    if net.way == "summed":
        return enlarged + fine
    return torch.cat([fine, enlarged], dim=1)


@pytest.mark.parametrize("way", ["multiplied", "given out", "summed"])
def test_a_run_that_takes_another_way_than_the_example_is_no_silent_one(way):
    model = Decoder(ways)
    model.way = "concatenated"
    replace_upsampling(model, "sapa-b", IMAGE)
    model(IMAGE)
    model.way = way
    with pytest.raises(RuntimeError, match=r"\(network\).*another way"):
        model(IMAGE)


def test_other_sizes_and_batches_than_the_example_s_work():
    model = UNet().eval()
    replace_upsampling(model, "sapa-g", IMAGE)
    assert model(torch.randn(3, 3, 64, 40)).shape == (3, 5, 64, 40)


def test_an_operation_in_place_on_a_waiting_map_is_done_once_and_seen_by_all():
    def merge(net, fine, coarse):
        enlarged = net.norm(enlarge(coarse))
        F.relu(enlarged, inplace=True)
        merged = enlarged + fine
        return merged, enlarged, [enlarged.mean()]

    model = Decoder(merge).train()
    plain, swapped = copy.deepcopy(model), copy.deepcopy(model)
    replace_upsampling(swapped, "bilinear", IMAGE)
    assert same(flat(plain(IMAGE)), flat(swapped(IMAGE)))
    assert swapped.norm.num_batches_tracked == 1
    assert torch.equal(swapped.norm.running_var, plain.norm.running_var)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_map_that_goes_where_a_swap_cannot_see_is_refused_and_nothing_is_changed():
    def merge(net, fine, coarse):
        enlarged = enlarge(coarse)
        return twice(enlarged) + (enlarged + fine)

    twice = torch.jit.trace(lambda feature: 2 * feature, torch.ones(1, 8, 32, 48))  # no function mode sees it
    model = Decoder(merge).eval()
    before, keys = model(IMAGE), set(model.state_dict())
    with pytest.raises(ValueError, match="code that a swap does not see"):
        replace_upsampling(model, "sapa-b", IMAGE)
    assert torch.equal(model(IMAGE), before) and set(model.state_dict()) == keys
    with pytest.raises(ValueError, match="must give numbers"):
        replace_upsampling(UNet(), "sapa-b", IMAGE * float("nan"))


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_of_a_swapped_network_gives_the_same_gradients(reentrant):
    model, image = UNet(), IMAGE.clone().requires_grad_()
    replace_upsampling(model, "sapa-b", IMAGE)
    weights = list(model.parameters())
    wanted = torch.autograd.grad(model(image).square().mean(), weights)
    checkpoint(model, image, use_reentrant=reentrant).square().mean().backward()
    torch.testing.assert_close([weight.grad for weight in weights], list(wanted))


def test_half_precision_and_autocast_keep_the_network_s_types():
    model = UNet().eval().bfloat16()
    replace_upsampling(model, "sapa-b", IMAGE.bfloat16())
    assert model(IMAGE.bfloat16()).dtype == torch.bfloat16
    model = UNet()
    replace_upsampling(model, "sapa-b", IMAGE)
    with torch.autocast("cpu", torch.bfloat16):
        model(IMAGE).float().sum().backward()
    assert model.up.guided_upsamplers["0"].key.weight.grad.dtype == torch.float32
