"""What every model promises, whatever its task; a subclass names the classes and adds its own."""

import copy
import json

import pytest
import torch
from interpreter import run_python
from transformers import AutoModel
from wrapping_contract import WrappingContract

from sapa_hf.modeling import UPSAMPLERS

SERVING = [name for name, entry in UPSAMPLERS.items() if not entry.needs_indices]

COMPILED = [
    {"attn_implementation": "someone/flash"},
    {"attn_implementation": "flash_attention_2"},
    {"_attn_implementation": "flash_attention_3"},
    {"_attn_implementation_internal": "someone/flash"},
    {"attn_implementation": {"": "someone/flash"}},
    {"experts_implementation": "someone/experts"},
    {"encoder_config": {"attn_implementation": {"inner": "someone/flash"}}},
    {"use_kernels": True},
    {"kernel_config": {"Layer": "someone/layer"}},
    {"quantization_config": {"quant_method": "mxfp4"}},
]


class ModelContract(WrappingContract):
    """Subclasses set the classes, a tiny configuration, the main output, and how labels are drawn.

    A test that asks for `upsampler` runs with every one that can serve in the model.
    """

    config_class = None
    model_class = None
    auto_class = None
    tiny: dict = {}
    output = "logits"
    half_rounding = 0.1  # share of the output by which bfloat16 may change it
    strictest_size = (75, 97)  # no multiple of anything
    upsamplers = SERVING

    def pytest_generate_tests(self, metafunc):
        if "upsampler" in metafunc.fixturenames:
            metafunc.parametrize("upsampler", self.upsamplers)

    def make(self, **fields):
        return self.model_class(self.config_class(**{**self.tiny, **fields})).eval()

    def images(self, batch=2, size=(64, 96)):
        return torch.randn(batch, 3, *size)

    def labels(self, images):
        raise NotImplementedError

    def unlabelled(self, images):
        """Labels that say nothing of any pixel."""
        raise NotImplementedError

    def main(self, output):
        """The tensor that a model is about, of its output."""
        return getattr(output, self.output)

    def predict(self, model, images):
        with torch.no_grad():
            return self.main(model(images))

    def test_configuration_leaves_the_fields_it_was_given_as_they_were(self):
        fields = copy.deepcopy(self.tiny)
        self.config_class(**fields)
        assert fields == self.tiny

    stride = 1  # an output's pixel, in the image's

    def test_any_size_is_taken(self, upsampler):
        model = self.make(upsampler=upsampler)
        for size in ((32, 32), self.strictest_size, (1, 1), (31, 40)):
            output = self.predict(model, self.images(1, size))
            assert output.isfinite().all()
            assert output.shape[-2:] == tuple(-(-side // self.stride) for side in size)

    def test_an_image_below_32_pixels_is_continued_by_its_last_row_and_column(self):
        model, images = self.make(), self.images(1, (20, 32))
        continued = torch.nn.functional.pad(images, (0, 0, 0, 12), mode="replicate")
        output, expected = self.predict(model, images), self.predict(model, continued)
        torch.testing.assert_close(output, expected[..., : output.shape[-2], :])

    @pytest.mark.parametrize("shape", [(3, 64, 64), (1, 3, 0, 64), (1, 3, 64)])
    def test_what_is_not_a_batch_of_images_is_refused(self, shape):
        with pytest.raises(ValueError, match=r"pixel_values must be \(B, C, H, W\).*got"):
            self.make()(torch.zeros(shape))

    def test_training_reaches_every_parameter(self, upsampler):
        model, images = self.make(upsampler=upsampler).train(), self.images()
        for parameter in model.parameters():  # away from zero, so that gradients show
            torch.nn.init.normal_(parameter, std=0.2)
        model(images, labels=self.labels(images)).loss.backward()
        without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert without == []

    @pytest.mark.parametrize(("chosen", "layer"), [("dysample", "offset"), ("carafe", "encode")])
    def test_upsamplers_keep_their_own_first_weights_also_in_a_checkpoint_without_them(
        self, chosen, layer, tmp_path
    ):
        checkpoint = self.make(upsampler="bilinear")
        checkpoint.save_pretrained(tmp_path)
        loaded = self.model_class.from_pretrained(tmp_path, upsampler=chosen)
        for model in (self.make(upsampler=chosen), loaded):
            new = [p for name, p in model.named_parameters() if name.endswith(f".{layer}.weight")]
            assert new and all(0.0008 < weight.std() < 0.0012 for weight in new)
        kept = loaded.state_dict()
        assert all(torch.equal(kept[name], value) for name, value in checkpoint.state_dict().items())

    def test_running_averages_of_upsamplers_survive_saving_and_loading(self, tmp_path):
        model = self.make(upsampler="indexnet")
        for name, average in model.named_buffers():
            if name.endswith("running_mean"):
                average.normal_()
        model.save_pretrained(tmp_path)
        again = self.model_class.from_pretrained(tmp_path).state_dict()
        assert all(torch.equal(again[name], value) for name, value in model.state_dict().items())

    def test_loss_falls_when_trained_on_one_batch(self):
        model, images = self.make(), self.images()
        labels, optimizer = self.labels(images), torch.optim.AdamW(model.parameters(), lr=3e-3)
        losses = []
        for _ in range(15):
            loss = model(images, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.9 * losses[0]

    def test_batch_without_a_labelled_pixel_costs_nothing_and_keeps_its_graph(self):
        model, images = self.make().train(), self.images()
        loss = model(images, labels=self.unlabelled(images)).loss
        assert loss.item() == 0
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert gradients and all((gradient == 0).all() for gradient in gradients)

    def test_saved_and_loaded_it_computes_the_same(self, tmp_path):
        model, images = self.make(upsampler_embedding_dim=8, upsampler_border="mask"), self.images()
        model.save_pretrained(tmp_path)
        kept = model.state_dict()
        for auto_class in (AutoModel, self.auto_class, self.model_class):
            again = auto_class.from_pretrained(tmp_path).eval()
            assert type(again) is self.model_class
            assert all(torch.equal(kept[name], value) for name, value in again.state_dict().items())
            # How a convolution rounds depends on where in memory its weights lie.
            torch.testing.assert_close(self.predict(again, images), self.predict(model, images))
            assert again.config.upsampler_border == "mask"

    def test_saving_alone_writes_code_that_loads_where_the_package_is_not(self, tmp_path):
        model, images = self.make(), self.images(1)
        model.save_pretrained(tmp_path)
        entries = json.loads((tmp_path / "config.json").read_text())["auto_map"]
        assert {"AutoConfig", "AutoModel", self.auto_class.__name__} <= set(entries)
        torch.save({"images": images, "expected": self.predict(model, images)}, tmp_path / "check.pt")
        program = (
            "import sys, torch; sys.modules['sapa_hf'] = None\n"
            "from transformers import AutoModel\n"
            "folder, output = sys.argv[1:]\n"
            "check = torch.load(folder + '/check.pt', weights_only=True)\n"
            "model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()\n"
            "with torch.no_grad(): result = getattr(model(check['images']), output)\n"
            "assert type(model).__module__.startswith('transformers_modules'), type(model).__module__\n"
            "torch.testing.assert_close(result, check['expected'])\n"
        )
        done = run_python("-c", program, tmp_path, self.output, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]

    def test_hidden_states_attentions_and_tuples_on_request(self):
        model, images = self.make(), self.images(1)
        plain = model(images)
        assert plain.hidden_states is None and plain.attentions is None
        full = model(images, output_hidden_states=True)
        encoder = getattr(model.config, "backbone_config", None) or model.config
        maps = getattr(full, "encoder_hidden_states", full.hidden_states)
        assert [h.shape[1] for h in maps][-4:] == list(encoder.hidden_sizes)[-4:]
        some = model(images, output_hidden_states=[0, 2]).hidden_states
        for index, (stage, part) in enumerate(zip(full.hidden_states, some, strict=True)):
            assert torch.equal(part, stage) if index in (0, 2) else part is None
        as_tuple = model(images, labels=self.labels(images), return_dict=False)
        assert isinstance(as_tuple, tuple) and as_tuple[0].dim() == 0
        torch.testing.assert_close(as_tuple[1], getattr(plain, self.output))

    @pytest.mark.parametrize("reentrant", [False, True])
    def test_gradient_checkpointing_changes_no_gradient(self, reentrant):
        model, images = self.make().train(), self.images()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        labels, gradients = self.labels(images), []
        for checkpointing in (False, True):
            model.zero_grad()
            if checkpointing:
                model.gradient_checkpointing_enable({"use_reentrant": True} if reentrant else None)
            torch.manual_seed(1)  # drop path draws the same
            model(images, labels=labels).loss.backward()
            gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
        assert model.is_gradient_checkpointing
        for plain, checkpointed in zip(*gradients, strict=True):
            torch.testing.assert_close(checkpointed, plain)

    @pytest.mark.slow
    @pytest.mark.parametrize("labelled", [False, True])
    def test_whole_graph_is_traced_without_a_warm_up(self, labelled):
        torch.compiler.reset()
        model, images = self.make(upsampler_kernel_size=3), self.images()  # 5 x 5 takes longer
        if labelled:  # leaves the hooks of transformers' recording behind
            model(images, output_attentions=True)
        arguments = {"labels": self.labels(images)} if labelled else {}
        traced = torch.compile(model, fullgraph=True, backend="eager")
        output, expected = traced(images, **arguments), model(images, **arguments)
        torch.testing.assert_close(getattr(output, self.output), getattr(expected, self.output))
        if labelled:
            torch.testing.assert_close(output.loss, expected.loss)

    def test_bfloat16_runs_and_stays_close(self):
        model, images = self.make(), self.images()
        exact = self.predict(model, images)
        output = self.predict(model.bfloat16(), images.bfloat16())
        assert output.dtype == torch.bfloat16
        assert (output.float() - exact).norm() <= self.half_rounding * exact.norm() + 0.05

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"upsampler": "sapa"}, ValueError),
            ({"upsampler_kernel_size": 4}, ValueError),
            ({"upsampler_embedding_dim": "64"}, TypeError),
            ({"upsampler_normalization": "exp"}, ValueError),
            ({"upsampler_border": None}, TypeError),
        ],
    )
    def test_config_refuses_wrong_upsampler_fields_when_it_is_made(self, fields, error):
        with pytest.raises(error):
            self.config_class(**fields)

    @pytest.mark.parametrize("fields", COMPILED, ids=str)
    def test_config_file_cannot_have_compiled_code_fetched(self, fields, tmp_path):
        self.make().save_pretrained(tmp_path)
        path = tmp_path / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))
        with pytest.raises(ValueError, match="asks for compiled code by"):
            AutoModel.from_pretrained(tmp_path)
        with pytest.raises(ValueError, match="asks for compiled code by"):
            self.config_class(**fields)

    def test_who_loads_a_model_chooses_its_attention(self, tmp_path):
        self.make().save_pretrained(tmp_path)
        loaded = AutoModel.from_pretrained(tmp_path, attn_implementation="eager")
        assert loaded.config._attn_implementation == "eager"
        chosen = self.config_class.from_pretrained(tmp_path, attn_implementation="flash_attention_2")
        assert chosen._attn_implementation == "flash_attention_2"

    def test_fields_given_while_loading_are_checked_too(self, tmp_path):
        self.make().save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="border must be"):
            self.model_class.from_pretrained(tmp_path, upsampler_border="reflect")
        if "max_unpool" not in self.upsamplers:
            with pytest.raises(ValueError, match="upsampler='max_unpool'"):
                self.model_class.from_pretrained(tmp_path, upsampler="max_unpool")

    @pytest.mark.slow
    def test_onnx_gives_the_same(self, tmp_path):
        onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        model = self.make(upsampler="sapa-b", upsampler_kernel_size=3)  # 5 x 5 takes twice as long
        images = self.images(1, (64, 64))
        path = str(tmp_path / "model.onnx")
        torch.onnx.export(_MainOutput(model, self.output), (images,), path, dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(path)
        (output,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
        torch.testing.assert_close(
            torch.from_numpy(output), self.predict(model, images), rtol=1e-4, atol=self.rounding
        )


class _MainOutput(torch.nn.Module):
    """A model that gives one tensor, as ONNX wants it."""

    def __init__(self, model, output):
        super().__init__()
        self.model, self.output = model, output

    def forward(self, pixel_values):
        return getattr(self.model(pixel_values), self.output)
