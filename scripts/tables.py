"""Print the paper's complexity tables beside our counts: python scripts/tables.py --output docs/tables.md."""

from pathlib import Path

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.paper.tables import render


@command_line()
def main(arguments: list[str] | None = None) -> None:
    """Parse the arguments, and print or write the tables."""
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--edition", choices=["seed", "final", "both"], default="both", help="of the paper's Tables 2 and 3"
    )
    parser.add_argument("--output", type=Path, help="Markdown file to write; printed unless given")
    options = parser.parse_args(arguments)
    text = render(options.edition)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
