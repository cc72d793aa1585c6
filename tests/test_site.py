"""The docs site builds strictly: a link or anchor of its pages that leads nowhere fails."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def build(project, folder):
    """Build the site of `project` into `folder`."""
    pytest.importorskip("mkdocs", reason="the docs site needs mkdocs, of the extra `docs`")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", folder]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)


def test_site_builds_strictly_with_the_readme_as_its_entrance(tmp_path):
    done = build(ROOT, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    pages = {page.relative_to(tmp_path).with_suffix(".md").as_posix() for page in tmp_path.rglob("*.html")}
    assert {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")} < pages
    assert 'href="use.html"' in (tmp_path / "index.html").read_text()
    assert 'href="kernel/benchmarks/RESULTS.html"' in (tmp_path / "kernel.html").read_text()
    assert not list(tmp_path.rglob("links.py"))


@pytest.mark.parametrize("link", ["docs/gone.md", "gone/file.py", "docs/use.md#no-such-heading"])
def test_a_link_of_the_readme_that_leads_nowhere_fails(link, tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in ("mkdocs.yml", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("kernel/benchmarks/RESULTS.md", "sapa_hf/evaluation/results_schema.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "README.md").write_text(f"[changes](CHANGELOG.md), [this]({link})")
    done = build(tmp_path, tmp_path / "broken")
    assert done.returncode != 0 and "Doc file 'index.md' contains a link" in done.stdout + done.stderr
