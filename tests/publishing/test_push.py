"""Uploading, against a server on this machine that answers as the Hub does."""

import base64
import json
import os
import re
import subprocess
import sys
import threading
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from published import write_run


class Hub(BaseHTTPRequestHandler):
    """The few endpoints an upload needs; every file is taken as a regular one, inside the commit."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        hub = self.server
        if self.headers.get("Authorization") != "Bearer hf_of_this_test":
            return self.answer({"error": "who are you?"}, 401)
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            hub.created.append(json.loads(body))
            return self.answer({"url": f"{hub.url}/someone/tiny"})
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if path == "/api/models/someone/tiny/preupload/main":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.answer({"files": files})
        if path == "/api/models/someone/tiny/commit/main":
            lines = [json.loads(line) for line in body.splitlines()]
            files = {
                v["path"]: base64.b64decode(v["content"]) for k, v in map(dict.values, lines) if k == "file"
            }
            commit = sha1(body).hexdigest()
            hub.commits.append((commit, files))
            return self.answer(
                {"success": True, "commitOid": commit, "commitUrl": f"{hub.url}/someone/tiny/commit/{commit}"}
            )
        return self.answer({"error": f"no such endpoint: {path}"}, 404)

    def do_GET(self):
        self.answer({"id": "someone/tiny", "sha": "0" * 40, "siblings": [], "private": True})

    def answer(self, content, status=200):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.created, server.commits = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_push_uploads_the_checked_folder_and_its_card_names_the_commit(hub, tmp_path):
    run, folder = write_run(tmp_path / "run"), tmp_path / "tiny"
    folder.mkdir()
    (folder / "private.txt").write_text("not for the Hub")
    (folder / "service_account.json").write_text("{}")
    (folder / "notes").mkdir()
    (folder / "notes" / "secret.json").write_text("{}")  # of a published kind, but not the folder's own
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_TOKEN": "hf_of_this_test",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    command = [
        sys.executable,
        "-m",
        "sapa_hf.scripts.publish",
        "--run",
        run,
        "--output_dir",
        folder,
        "--overwrite",
    ]
    command += ["--repo_id", "someone/tiny", "--push", "--private"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr

    (made,) = hub.created
    assert (made["name"], made["organization"]) == ("tiny", "someone")
    assert made.get("visibility") == "private" or made.get("private") is True  # the library's version decides
    (model, files), (_, card) = hub.commits
    published = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    for name in ("private.txt", "service_account.json", ".published.json"):
        published.pop(name)
    assert set(files) == set(published) and set(card) == {"README.md"}
    assert all(files[name] == published[name] for name in files if name != "README.md")
    text = card["README.md"].decode()
    assert f'revision = "{model}"' in text and 'repository = "someone/tiny"' in text
    assert text == (folder / "README.md").read_text()
    assert re.search(rf"uploaded someone/tiny, revision {model}", done.stdout)
