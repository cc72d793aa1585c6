"""A Hub on this machine: real HTTP on 127.0.0.1, as much of it as the client libraries ask for.

Regular files travel inside commits, large ones by LFS through a store with addresses of its own, as on the
Hub. Xet is refused: a client must be told by HF_HUB_DISABLE_XET. Client libraries read HF_ENDPOINT when they
are imported, so a client is a process of its own, with the `environment` of the Hub it talks to.
"""

import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hub_endpoints import TOKEN, Endpoints, RefusedError
from hub_repository import Repository


class LoopbackHub(ThreadingHTTPServer):
    """The server: start it by `with LoopbackHub() as hub`.

    Attributes:
        url: Its address, for HF_ENDPOINT.
        store: The address of large files.
        repositories: (kind, "owner/name") -> repository.
        asked: "METHOD path" of every request.
        breaks: Pattern of "METHOD path" -> how many of its next requests end in the middle of a body.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.store = f"http://localhost:{self.server_port}/store"  # another host, as the Hub's is
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.large: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.breaks: dict[str, int] = {}
        self.lock = threading.RLock()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def environment(self, home: Path, **others: str) -> dict[str, str]:
        """Give a client's environment: this Hub, and a cache of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        own = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_TOKEN": TOKEN,
            "NO_PROXY": "127.0.0.1,localhost",
        }
        return kept | own | others

    def is_broken(self, request: str) -> bool:
        """Tell whether this request is one to break, and count it."""
        with self.lock:
            for pattern, left in self.breaks.items():
                if left and re.search(pattern, request):
                    self.breaks[pattern] -= 1
                    return True
        return False


class Handler(Endpoints, BaseHTTPRequestHandler):
    """One request as it comes and goes over HTTP."""

    server: LoopbackHub
    protocol_version = "HTTP/1.1"

    def answer(self):
        """Answer a request of any method."""
        url = urlsplit(self.path)
        method = "GET" if self.command == "HEAD" else self.command
        self.query, request = url.query, f"{self.command} {unquote(url.path)}"
        self.server.asked.append(request)
        self.broken = self.server.is_broken(request)
        length = int(self.headers.get("Content-Length") or 0)
        chunked = "Transfer-Encoding" in self.headers
        if self.broken and (length or chunked):
            self.rfile.read(length // 2)
            return self.drop()
        body = self.read_chunks() if chunked else self.rfile.read(length)
        try:
            status, headers, content = self.respond(method, url.path, body)
        except RefusedError as refusal:
            status, code, message = refusal.args[:3]
            headers = {"X-Error-Code": code, "X-Error-Message": message, **dict(refusal.args[3:])}
            content = json.dumps({"error": message}).encode()
        self.send(status, headers, content)

    do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815

    def read_chunks(self) -> bytes:
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def send(self, status: int, headers: dict, content: bytes):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if self.broken else content)
        if self.broken:
            self.drop()

    def drop(self):
        """Close the connection without a word more."""
        self.close_connection = True

    def log_message(self, *_):
        """Keep the tests' output clean."""
