"""Keeping local paths, user names and credentials out of what is published."""

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

REMOVED = "[removed]"
LONGEST = 10_000  # characters of a text
HOMES = {"home", "users", "documents and settings", "profiles"}  # what lies in them is named after people
WORD = r"""[^\s,;|"'<>]"""
SECRET_KEY = re.compile(
    r"(?i)(^|[_-])(token|secret|api[_-]?key|private[_-]?key|access[_-]?key)$|passw|credential|authorization"
)
SECRET = re.compile(
    r"""\b(?:hf|gh[pousr]|github_pat|glpat|sk|xox[abprs])[_-][\w-]{10,}  # tokens as their makers write them
    |\b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    |\beyJ[\w-]+\.[\w-]+\.[\w-]*
    |-----BEGIN[ ][\s\S]*
    |(?i:\bbearer\s+|\b(?:password|passwd|token|secret|api[_-]?key)\s*[=:]\s*)[^\s,;]+""",
    re.VERBOSE,
)
PRIVATE = re.compile(
    rf"""(?P<url>[A-Za-z][\w+.-]{{1,20}}://(?:[^\s/?\#]*@)?{WORD}*)
    |(?P<remote>[\w.+-]{{1,64}}@[\w.-]+(?::{WORD}*)?)  # alice@host:folder, or an address
    |(?P<rooted>(?<!\w)(?:
        file:|[/\\]+(?=[^\s/\\])|\.{{1,2}}(?=[/\\])|[A-Za-z]:(?=[^\s:]*[/\\])
        |~[A-Za-z][\w.-]*|~(?=[/\\])|\$\{{?\w+\}}?(?=[/\\])|%\w+%(?=[/\\])
    )[^,;|"'<>\n]*)  # to the next separator, because a folder's name may hold spaces
    """,
    re.VERBOSE,
)
RELATIVE = re.compile(rf"{PRIVATE.pattern}|(?P<relative>{WORD}+[/\\]{WORD}*)", re.VERBOSE)


def redact(value: Any, keep: Collection[str] = (), relative: bool = True) -> Any:
    """Shorten paths and URLs in a JSON value, keys included, and remove credentials.

    A path becomes its last name, or nothing where that is a person's home. A web address loses user,
    password, query and fragment.

    Args:
        value: Mappings, lists, text and numbers.
        keep: Texts that stay as they are, such as an id on the Hub.
        relative: Whether "folder/name" counts as a path too. In prose and labels it may be "door/window".
    """
    if isinstance(value, Mapping):
        return {
            redact(key, keep, relative): redact(item, keep, relative)
            for key, item in value.items()
            if not (SECRET_KEY.search(str(key)) and isinstance(item, (str, list, Mapping)))
        }
    if isinstance(value, (list, tuple)):
        return [redact(item, keep, relative) for item in value]
    if not isinstance(value, str) or value in keep:
        return value
    if len(value) > LONGEST:
        return REMOVED
    text = unquote(value) if re.search("%2f|%5c", value, re.IGNORECASE) else value

    def shorten(match: re.Match) -> str:
        found = match.group()
        return _web_address(found) if match.lastgroup == "url" else last_name(found)

    return (RELATIVE if relative else PRIVATE).sub(shorten, SECRET.sub(REMOVED, text))


def last_name(path: str) -> str:
    """Give the last name of a path in the form of any system, or "" where that is a person's home."""
    path = path if path.startswith("file:") or "://" not in path else path.partition("?")[0]
    path = re.sub(r"^(file:|[\w.+-]+@[^:]*:?|[A-Za-z]:(?!//))", "", path)
    names = [name for name in re.split(r"[/\\]+", path) if name and not name.startswith("~")]
    if len(names) > 1 and names[-2].lower() in HOMES:
        return ""
    return names[-1] if names and names[-1] not in (".", "..") else ""


def _web_address(url: str) -> str:
    """Keep host and path of a page on the web; any other URL counts as a path."""
    scheme = url.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        return last_name(re.sub(r"^[\w+.-]+:/*(\S*@)?", "/", url).partition("?")[0])
    try:
        parts = urlsplit(f"//{url.partition('://')[2].rpartition('@')[2]}")
    except ValueError:  # such as an unclosed bracket
        return REMOVED
    folders = parts.path.split("/")
    personal = any(name.startswith("~") or name.lower() in HOMES for name in folders)
    return f"{scheme}://{parts.netloc}" + (f"/{last_name(parts.path)}" if personal else parts.path)
