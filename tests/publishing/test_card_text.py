"""Nothing that a label, a results file or a folder's name says becomes markup in a card."""

import json
import re

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from published import edit_json, write_run

import sapa_hf.publishing.card
from sapa_hf.markdown import inline_text
from sapa_hf.publishing import assemble_folder, find_results

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![seen](https://evil.example/pixel.png)",
    "https://evil.example/a",
    "www.evil.example",
    "<https://evil.example>",
    "[evil]: https://evil.example",
    "\n---\nlicense: mit\n---\n",
    "\n# A heading\n",
    "\n```\nfence\n```\n",
    "a | b | c",
    "**bold** _slanted_ ~~gone~~ `code`",
    "{{ config }} {% for x in y %} {# note #}",
    "$$x^2$$",
    "&lt;b&gt; &#60;b&#62;",
    "\u202egnp.exe\u2066\u200b\x00\x1b[31m",
    "\\| \\<b>",
    "\u2028# Heading\u2029",
    "x" * 3000,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"))


def kinds(text):
    """Every kind of token that a Markdown reader makes of a card, with raw HTML and bare links read too."""
    reader = MarkdownIt("gfm-like", {"linkify": False}).enable("table")
    found = []
    for token in reader.parse(text):
        found += [token.type, *(child.type for child in token.children or ())]
    return found


@pytest.fixture(scope="module")
def cards(run, tmp_path_factory):
    """The card of a run that says nothing odd, and that of one full of hostile texts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sapa_hf.publishing.card, "SIZE", (64, 64))  # quick to count
        folder = tmp_path_factory.mktemp("hub")
        plain = publish(run, folder / "plain", ["wall"] * len(HOSTILE))
        return ModelCard.load(plain), ModelCard.load(publish(run, folder / "hostile", HOSTILE))


def publish(run, folder, texts):
    """Publish with these texts wherever a results file or a config may hold one."""
    results = json.loads(json.dumps(find_results(run)))
    edit_json(run / "best" / "config.json", id2label=dict(enumerate(texts[-10:])))
    results["per_class"] = [{"id": place, "name": text} for place, text in enumerate(texts)]
    results["evaluation"] = {text: text for text in texts}
    results["versions"] |= zip(("torch", "transformers", "datasets", "sapa_hf"), texts, strict=False)
    results["dataset"] |= {"name": texts[3], "split": texts[8], "revision": texts[9]}
    results |= {"hardware": "".join(texts)[:1000], "commit": texts[0]}
    results["training"]["recipe"] = texts[10]
    return assemble_folder(run / "best", folder, results) / "README.md"


COUNTED = ("heading_open", "html_inline", "html_block", "image", "link_open", "fence", "tr_open", "td_open")


def test_no_text_becomes_markup(cards):
    plain, hostile = (kinds(card.text) for card in cards)
    assert [hostile.count(kind) for kind in COUNTED] == [plain.count(kind) for kind in COUNTED]
    assert hostile.count("tr_open") > len(HOSTILE)


def test_no_character_hides_or_turns_the_line(cards):
    assert not set(cards[1].content) & set("\u202e\u2066\u200b\x00\x1b\u2028")


def test_the_metadata_is_one_block_that_every_parser_reads_alike(cards):
    metadata = yaml.safe_load(cards[1].content.split("---\n")[1])
    assert metadata == cards[1].data.to_dict()
    assert metadata["license"] == "apache-2.0" and metadata["pipeline_tag"] == "image-segmentation"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_in_a_line_renders_as_itself(text):
    assert not re.search(r"(https?|ftp):|www\.", inline_text(text))  # no link is made of a bare address
    (_, line, _) = MarkdownIt("gfm-like", {"linkify": False}).parse("- " + inline_text(text))[2:5]
    assert {child.type for child in line.children} <= {"text", "text_special"}
    shown = "".join(child.content for child in line.children)
    assert "\n" not in shown and len(shown) <= 200
