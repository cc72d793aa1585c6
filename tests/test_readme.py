"""What the README and the pages under docs say to type works: Python blocks, scripts, recipes, links."""

import re
from pathlib import Path

import pytest
from interpreter import run_python

from sapa_hf.training import recipe_names

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [
    (page.relative_to(ROOT).as_posix(), language, code)
    for page in PAGES
    for language, code in re.findall(r"```(\w+)\n(.*?)```", page.read_text(), re.S)
]
PYTHON = [(page, code) for page, language, code in BLOCKS if language == "python"]
SHELL = "\n".join(code for _, language, code in BLOCKS if language in ("bash", "sh", "shell", "console"))
ELSEWHERE = re.compile(r"push_to_hub|load_dataset\(|revision=|\.\.\.|FOLDER|[\"'](?:me|owner|you)/")


@pytest.mark.parametrize(
    ("page", "code"), PYTHON, ids=[f"{page}: {code.splitlines()[-1][:40]}" for page, code in PYTHON]
)
def test_python_block_runs_as_it_stands(page, code, tmp_path):
    compile(code, page, "exec")
    if page != "README.md" and ELSEWHERE.search(code):
        return  # compiled only: it names a data set or a model of the reader's
    done = run_python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_readme_and_the_page_on_use_show_python():
    assert {"README.md", "docs/use.md"} <= {page for page, _ in PYTHON}


def test_every_shipped_recipe_stands_on_the_page_about_training():
    page = (ROOT / "docs" / "train.md").read_text()
    assert not [name for name in recipe_names() if not name.startswith("table4/") and f"`{name}`" not in page]


@pytest.mark.slow  # a process a script
@pytest.mark.parametrize("script", sorted(set(re.findall(r"scripts/\w+\.py", SHELL))))
def test_script_that_a_command_names_is_there_and_explains_itself(script):
    assert (ROOT / script).is_file()
    done = run_python(script, "--help", cwd=ROOT)
    assert done.returncode == 0 and "usage" in done.stdout.lower(), done.stderr[-2000:]


def test_recipes_and_make_targets_that_the_commands_name_are_there():
    named = set(re.findall(r"(?:train|study)\.py ([\w/]+)", SHELL))
    assert named and named <= set(recipe_names())
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make (\w+)", SHELL, re.M)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_a_page_links_to_are_there(page):
    for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
        assert (page.parent / link).exists(), link
