"""The Space's page, driven in a headless Chromium: upload, choose, compare, click; by `make space-test`."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="gradio has an environment of its own: make space-test")
playwright = pytest.importorskip("playwright.sync_api", reason="the browser's driver: make space-test")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
if BROWSER is None:
    pytest.skip("Chromium is needed to drive the page", allow_module_level=True)

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "space-pictures"
SECOND = 1000  # milliseconds


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[str]:
    """Folders of two models: those of SAPA_SPACE_MODELS, to be looked at, or small ones that know nothing."""
    if named := os.environ.get("SAPA_SPACE_MODELS", "").split():
        return named
    from tiny_upsampling import segformer
    from transformers import SegformerImageProcessor

    folders = []
    for upsampler in ("bilinear", "sapa-g"):
        folder = tmp_path_factory.mktemp(upsampler)
        segformer(upsampler).save_pretrained(folder)
        SegformerImageProcessor(size={"shortest_edge": 128}, do_reduce_labels=False).save_pretrained(folder)
        folders.append(str(folder))
    return folders


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """A folder with photos to choose from: those of SAPA_SPACE_PHOTOS, or two that are drawn."""
    if named := os.environ.get("SAPA_SPACE_PHOTOS"):
        return Path(named)
    folder = tmp_path_factory.mktemp("photos")
    for name in ("one", "two"):
        pixels = np.random.default_rng(len(name)).integers(0, 255, (6, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((320, 240), Image.Resampling.NEAREST).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def place(models, photos, tmp_path_factory):
    """The address of the page, served by a process of its own whose uploads go to a folder of the test's."""
    uploads, port = tmp_path_factory.mktemp("uploads"), _free_port()
    command = [
        sys.executable,
        "space/app.py",
        "--models",
        *models,
        "--photos",
        str(photos),
        "--port",
        str(port),
    ]
    environment = os.environ | {"GRADIO_TEMP_DIR": str(uploads), "GRADIO_ANALYTICS_ENABLED": "False"}
    with open(uploads / "log", "w+") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_for(f"http://127.0.0.1:{port}", server, uploads / "log")
            yield f"http://127.0.0.1:{port}", uploads
        finally:
            server.terminate()
            server.wait(20)


@pytest.fixture
def page(place):
    """The page in a fresh browser; an error of its scripts fails the test."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1360, "height": 1000})
        page.set_default_timeout(60 * SECOND)
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(place[0])
        page.locator("#upload").first.wait_for()
        yield page
        browser.close()
    assert errors == []


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"no page after two minutes: {log.read_text()}")


def _upload(page, file) -> None:
    page.locator("input[type=file]").first.set_input_files(file)


def _sizes(page, element: str, count: int) -> list[tuple[int, int]]:
    """Wait for an element's pictures, and give their own widths and heights."""
    pictures = page.locator(f"#{element} img")
    playwright.expect(pictures).to_have_count(count, timeout=60 * SECOND)
    page.wait_for_function(
        "element => [...document.querySelectorAll(`#${element} img`)].every(i => i.naturalWidth)", arg=element
    )
    return [tuple(picture.evaluate("i => [i.naturalWidth, i.naturalHeight]")) for picture in pictures.all()]


def test_a_chosen_photo_is_predicted_by_both_and_its_kernels_are_shown_where_one_clicks(page, photos):
    page.locator("#chooser img").first.click()
    (photo,) = _sizes(page, "photo", 1)
    assert photo == Image.open(sorted(photos.iterdir())[0]).size
    first, second = _sizes(page, "slider", 2)
    assert first == second and first[0] >= photo[0]
    sources = [image.get_attribute("src") for image in page.locator("#slider img").all()]
    assert len({page.request.get(source).body() for source in sources}) == 2  # two networks, two predictions

    kernels = []
    for place in ((0.25, 0.6), (0.7, 0.4)):
        frame = page.locator("#photo img").bounding_box()
        page.mouse.click(frame["x"] + place[0] * frame["width"], frame["y"] + place[1] * frame["height"])
        source = page.locator("#kernels img")
        playwright.expect(source).to_have_count(1)
        if kernels:
            playwright.expect(source).not_to_have_attribute("src", kernels[-1])
        kernels.append(source.get_attribute("src"))
        width, height = _sizes(page, "kernels", 1)[0]
        assert width > 3 * 200 and height > 3 * 200  # photo and two models; three steps
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / "page.png", full_page=True)


def test_an_uploaded_photo_is_made_smaller_and_its_name_reaches_no_other_place(page, place, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    Image.fromarray(pixels).resize((1600, 1200)).save(tmp_path / "photo.jpg")
    content = (tmp_path / "photo.jpg").read_bytes()
    _upload(page, {"name": "../../../outside.jpg", "mimeType": "image/jpeg", "buffer": content})
    assert _sizes(page, "photo", 1) == [(768, 576)]
    _sizes(page, "slider", 2)
    found = [file for file in place[1].parent.rglob("*outside*") if not file.is_relative_to(place[1])]
    assert found == [] and not list(ROOT.rglob("*outside.jpg"))


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("photo.jpg", b"this is no photo", "not a readable image"),
        ("large.png", b"", "too large|exceeds|maximum"),
    ],
)
def test_what_is_no_photo_is_refused_in_words(page, name, content, words):
    content = content or os.urandom(11 * 2**20)
    _upload(page, {"name": name, "mimeType": "image/png", "buffer": content})
    toast = page.locator(".toast-wrap, .toast-body").first
    playwright.expect(toast).to_contain_text(re.compile(words, re.I))
    assert page.locator("#slider img").count() == 0


def test_files_of_the_machine_are_not_served(page, place):
    (place[1].parent / "secret").write_text("beside the uploads")
    for path in ("/etc/hostname", str(ROOT / "README.md"), f"{place[1]}/../secret"):
        assert page.request.get(f"{place[0]}/gradio_api/file={path}").status in (403, 404)
