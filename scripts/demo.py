"""The whole project once, small: `demo.py [--folder demo] [key=value ...]`, a few minutes on two CPU cores.

Trains a small SegFormer with bilinear upsampling and with SAPA on rendered rooms, scores both, publishes one
into a folder, loads that back without sapa_hf, and draws a picture. Nothing is downloaded.
"""

from collections.abc import Sequence

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.paper.demo import run_demo


@command_line(interrupted="stopped; `make demo` starts it again from the beginning, and takes no --resume")
def main(arguments: Sequence[str] | None = None) -> None:
    """Run the demonstration."""
    parser = argument_parser(__doc__)
    parser.add_argument("--folder", default="demo", help="where to write")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of the recipe to change")
    options = parser.parse_args(arguments)
    run_demo(options.folder, options.overrides)


if __name__ == "__main__":
    main()
