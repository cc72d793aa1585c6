"""A place in a network where a map is enlarged, and the table of all of them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from ..markdown import markdown_table
from .operations import Kind

Shape = tuple[int, ...]
MODULES = "guided_upsamplers"  # attribute of a site's module: its upsamplers, by the number of the call


class Argument(NamedTuple):
    """An argument of the network: it may be given by position or by name."""

    position: int | None
    name: str | None

    def among(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Take it from what the network is called with.

        Raises:
            RuntimeError: It is not there.
        """
        if self.name in kwargs:
            return kwargs[self.name]
        if self.position is None or self.position >= len(args):
            raise RuntimeError(
                f"The image guides the final resize and must be given, as {self.name or self.position}."
            )
        return args[self.position]


@dataclass(frozen=True)
class Site:
    """One call that enlarges a map, and what the network does with the result.

    Attributes:
        name: The module's path in the network; with `#` and a number where it makes several such calls.
        path: The module's path alone; "" is the network itself.
        call: Which of that module's calls, from 0.
        kind: Which function is called, and how.
        feature: Shape of the map that is enlarged, (B, C, H, W).
        output: Shape of the result.
        guide: Shape of what it is merged with, (B, Cg, H', W'); None where there is nothing or nothing clear.
        merged: How it is merged: "sum", "concatenation" or "" for not at all.
        after: Operations between the call and the merge.
        guides: Which of the merged maps are the guide; () where the image is.
        operands: How many maps are merged.
        image: Which argument of the network is the guide; None where a map is.
        host: Path of the innermost module that both makes the call and merges its result.
        order: Which of the host's calls of this kind, from 0.
        upsampler: Name of the upsampler that comes there.
        reason: Why it is not replaced; "" if it is.
    """

    name: str
    path: str
    call: int
    kind: Kind
    feature: Shape
    output: Shape
    guide: Shape | None = None
    merged: str = ""
    after: tuple[str, ...] = ()
    guides: tuple[int, ...] = ()
    operands: int = 0
    image: Argument | None = None
    host: str = ""
    order: int = 0
    upsampler: str = ""
    reason: str = ""

    @property
    def inner_path(self) -> str:
        """The module's path inside its host."""
        return self.path[len(self.host) :].lstrip(".")

    @property
    def keeps_call(self) -> bool:
        """Whether the name asked for is what is there: the call stays as it is, corners included."""
        return self.upsampler == self.kind.mode


class SiteTable(tuple[Site, ...]):
    """All places where a network enlarges maps, in the order of their calls; printed, it is a table."""

    @property
    def replaced(self) -> tuple[Site, ...]:
        """The sites that are replaced, or would be."""
        return tuple(site for site in self if not site.reason)

    def __str__(self) -> str:
        """Lay out the table."""
        header = ("site", "call", "feature", "guide", "merged by", "replaced")
        return markdown_table(header, [_row(site) for site in self], left=len(header))


def _row(site: Site) -> tuple[str, ...]:
    merged = site.merged or ("-" if site.image is None else "(guided by the image)")
    if site.merged and site.after:
        merged += f" after {', '.join(site.after)}"
    return (
        site.name,
        str(site.kind),
        _shape(site.feature),
        "-" if site.guide is None else _shape(site.guide),
        merged,
        f"no: {site.reason}" if site.reason else "yes",
    )


def _shape(shape: Shape) -> str:
    _, channels, height, width = shape
    return f"{channels} x {height} x {width}"
