"""A hook of MkDocs: pages lie and link on the site as in the repository, and the README is the entrance."""

import re
from pathlib import Path
from posixpath import dirname, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)")
ENTRANCE = "README.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README, and each file outside docs that a page links to, at its place in the repository."""
    waiting, seen = [ENTRANCE, *(f"docs/{file.src_uri}" for file in files.documentation_pages())], set()
    while waiting:
        path = waiting.pop()
        if path in seen or not (ROOT / path).is_file():
            continue  # MkDocs names a link to nothing, and strictly that is an error
        seen.add(path)
        if not path.startswith("docs/"):
            files.append(File.generated(config, site_path(path), abs_src_path=str(ROOT / path)))
        if path.endswith(".md"):
            waiting += [normpath(f"{dirname(path)}/{link}".lstrip("/")) for link in links(path)]
    return files


def on_page_markdown(markdown: str, page: Page, **_) -> str:
    """Turn a page's links from places in the repository into places on the site."""
    here = page.file.src_uri
    path = ENTRANCE if here == site_path(ENTRANCE) else here if page.file.generated_by else f"docs/{here}"

    def on_site(link: re.Match[str]) -> str:
        target = normpath(f"{dirname(path)}/{link[1]}".lstrip("/"))
        return relpath(site_path(target), dirname(here) or ".")

    return LINK.sub(on_site, markdown)


def links(path: str) -> list[str]:
    """Give the relative links of the Markdown file at `path`, without their anchors."""
    return LINK.findall((ROOT / path).read_text())


def site_path(path: str) -> str:
    """Give the place on the site of the file at `path` in the repository."""
    return "index.md" if path == ENTRANCE else path.removeprefix("docs/")
