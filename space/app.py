"""The Space: two upsamplers side by side on your photo, and their kernels where you click.

python space/app.py --models FOLDER_OR_ID FOLDER_OR_ID --photos FOLDER
"""

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
import numpy as np
from viewer import LONGEST, Viewer, open_photo

from sapa_hf.command_line import argument_parser, command_line
from sapa_hf.predict import find_images

LARGEST_UPLOAD = "10mb"
MOST_WAITING = 16  # visitors; one is served at a time, on all cores
KEPT = 3600  # seconds that an uploaded photo stays on the machine


def build_page(viewer: Viewer, examples: list[str]) -> gr.Blocks:
    """Lay out the page and wire it to the viewer.

    Args:
        viewer: What computes.
        examples: Image files to choose from.
    """
    left, right = viewer.captions

    def show(file: str):
        photo = _told(open_photo, file)
        return photo, _told(viewer.predictions, photo), None

    def choose(event: gr.SelectData):
        return show(examples[event.index])

    def look(photo: np.ndarray, event: gr.SelectData):
        return _told(viewer.kernels, photo, tuple(event.index))

    with gr.Blocks(title="SAPA", delete_cache=(KEPT, KEPT)) as page:
        gr.Markdown(
            "# What an upsampler does to your photo\n"
            f"Upload a photo{' or choose one' if examples else ''}. The slider lays **{left}** (left) over "
            f"**{right}** (right). **Click the photo**: the kernels of both at that point, a row for each "
            f"upsampling step. Photos are made smaller, to {LONGEST} pixels at most."
        )
        with gr.Row():
            with gr.Column():
                upload = gr.UploadButton("Upload a photo", file_types=["image"], elem_id="upload")
                photo = gr.Image(show_label=False, interactive=False, buttons=[], elem_id="photo")
                gr.Markdown("Or choose one:", visible=bool(examples))
                chooser = gr.Gallery(
                    examples,
                    show_label=False,
                    columns=4,
                    height=160,
                    allow_preview=False,
                    buttons=[],
                    visible=bool(examples),
                    elem_id="chooser",
                )
            with gr.Column():
                slider = gr.ImageSlider(show_label=False, interactive=False, buttons=[], elem_id="slider")
                kernels = gr.Image(show_label=False, interactive=False, buttons=[], elem_id="kernels")
        shown = [photo, slider, kernels]
        upload.upload(show, upload, shown, api_visibility="private")
        chooser.select(choose, None, shown, api_visibility="private")
        photo.select(look, photo, kernels, api_visibility="private")
    return page.queue(max_size=MOST_WAITING, default_concurrency_limit=1)


def _told(compute, *arguments):
    """Compute, and show a refusal to the visitor in its own words."""
    try:
        return compute(*arguments)
    except ValueError as error:
        raise gr.Error(str(error)) from error


def parse_arguments(arguments: Sequence[str] | None = None) -> Namespace:
    """Read the command line; a Space has none, and sets its models in the environment."""
    parser = argument_parser(__doc__)
    models = os.environ.get("SAPA_SPACE_MODELS", "").split()
    parser.add_argument("--models", nargs=2, default=models, help="two folders or Hub ids")
    parser.add_argument(
        "--photos", type=Path, default=Path(__file__).parent / "photos", help="to choose from"
    )
    parser.add_argument("--port", type=int, help="7860, or the next free one, unless given")
    return parser.parse_args(arguments)


@command_line(interrupted="stopped")
def main(arguments: Sequence[str] | None = None) -> None:
    """Load the models and serve the page."""
    options = parse_arguments(arguments)
    examples = [str(file) for file, _ in find_images([options.photos])] if options.photos.is_dir() else []
    page = build_page(Viewer(options.models), examples)
    page.launch(server_port=options.port, max_file_size=LARGEST_UPLOAD, footer_links=[])


if __name__ == "__main__":
    main()
