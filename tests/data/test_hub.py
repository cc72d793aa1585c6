"""A data set of the Hub, read from a server on this machine that knows as much of the Hub as is needed."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

import pytest

from sapa_hf.data import get_spec, load_split

COMMIT = "c" * 40
REPO = "zhoubolei/scene_parse_150"
READ = """
import logging, sys
logging.basicConfig(level=logging.WARNING)
from sapa_hf.data import Samples, get_spec, load_split
spec = get_spec("ade20k", id2label={i: str(i) for i in range(10)}, reduce_labels=False)
for streaming in (False, True):
    print([row["image"]["bytes"][:4] for row in load_split(spec, "validation", streaming)])
print(Samples(load_split(spec, "train"), spec)[1]["id"])
"""


class Hub(BaseHTTPRequestHandler):
    """One data set repository, its files in `files` by path; every path asked for is kept in `asked`."""

    files: dict[str, bytes] = {}
    asked: list[str] = []

    def do_GET(self):
        path = unquote(urlparse(self.path).path)
        self.asked.append(path)
        if path.startswith(f"/api/datasets/{REPO}/tree/"):
            folder = path.split("/tree/", 1)[1].partition("/")[2]
            self.reply(self.entries(lambda name: name.startswith(f"{folder}/") or not folder))
        elif path.startswith(f"/api/datasets/{REPO}"):
            siblings = [{"rfilename": name} for name in self.files]
            self.reply({"id": REPO, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})
        elif path.startswith(f"/datasets/{REPO}/resolve/") and path.split("/", 6)[6] in self.files:
            self.send_file(self.files[path.split("/", 6)[6]], path)
        else:
            self.send_content(b"", 404, {"X-Error-Code": "EntryNotFound"})

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(unquote(self.path))
        self.reply(self.entries(lambda name: name in body.get("paths", [])))

    def entries(self, wanted):
        folders = {
            "/".join(name.split("/")[:n]) for name in self.files for n in range(1, name.count("/") + 1)
        }
        files = [
            {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
            for name, content in self.files.items()
        ]
        nodes = files + [{"type": "directory", "path": name, "oid": "1" * 40} for name in sorted(folders)]
        return [node for node in nodes if wanted(node["path"])]

    def reply(self, answer):
        self.send_content(json.dumps(answer).encode(), 200, {"Content-Type": "application/json"})

    def send_file(self, content, path):
        headers = {"ETag": f'"{abs(hash(path))}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        asked = self.headers.get("Range")
        if asked is None:
            return self.send_content(content, 200, headers)
        first, last = asked.removeprefix("bytes=").split("-")
        last = min(int(last or len(content)), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self.send_content(content[int(first) : last + 1], 206, headers)

    def send_content(self, content, status, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_):
        """Keep the test's output clean."""


@pytest.fixture
def hub(tmp_path):
    """Address of a Hub with the rooms laid out as on the parquet branch: one folder a configuration."""
    spec = get_spec("scenes", options={"count": 3, "eval_count": 2, "size": 24})
    for split in ("train", "validation"):
        load_split(spec, split).to_parquet(tmp_path / "rows.parquet")
        Hub.files[f"scene_parsing/{split}/0000.parquet"] = (tmp_path / "rows.parquet").read_bytes()
        Hub.files[f"instance_segmentation/{split}/0000.parquet"] = b"never read"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_ade20k_is_read_from_its_folder_of_the_parquet_branch(hub, tmp_path):
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", READ], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, (Hub.asked, done.stderr[-3000:])
    png = [b"\x89PNG"] * 2
    assert done.stdout.splitlines() == [str(png), str(png), "train[1]"]
    assert any("refs/convert/parquet" in path for path in Hub.asked)
    assert not any("instance_segmentation" in path for path in Hub.asked)
    assert "newest commit" not in done.stderr
