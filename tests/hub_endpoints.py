"""What a Hub answers: one method for each endpoint that the client libraries use."""

import base64
import hashlib
import json
import re
from urllib.parse import unquote

from hub_repository import Repository, blob_id, is_large

TOKEN = "hf_of_this_test"
KINDS = {"models": "", "datasets": "datasets/", "spaces": "spaces/", "kernels": "kernels/"}
API = r"/api/(models|datasets|spaces|kernels)/([^/]+/[^/]+)"
ROUTES = [
    ("POST", "/test/breaks", "set_breaks"),
    ("POST", "/api/repos/create", "create"),
    ("POST", "/api/validate-yaml", "validate_card"),
    ("GET", "/api/organizations/([^/]+)/overview", "organization"),
    ("GET", API, "describe"),
    ("GET", API + "/revision/([^/]+)", "describe"),
    ("GET", API + "/refs", "list_branches"),
    ("GET", API + "/commits/([^/]+)", "list_commits"),
    ("POST", API + "/branch/([^/]+)", "create_branch"),
    ("POST", API + "/preupload/([^/]+)", "choose_upload"),
    ("POST", API + "/commit/([^/]+)", "commit"),
    ("GET", API + "/tree/([^/]+)(?:/(.*))?", "list_tree"),
    ("POST", API + "/paths-info/([^/]+)", "list_paths"),
    ("POST", r"/(datasets/|spaces/|kernels/|)([^/]+/[^/]+)\.git/info/lfs/objects/batch", "lfs_batch"),
    ("PUT", "/store/([0-9a-f]{64})", "store"),
    ("GET", "/store/([0-9a-f]{64})", "fetch"),
    ("GET", r"/(datasets/|spaces/|kernels/|)([^/]+/[^/]+)/resolve/([^/]+)/(.+)", "resolve"),
]


class RefusedError(Exception):
    """An answer other than success: its status, the Hub's code for it, and what it says."""


class Endpoints:
    """The answers: (status, headers, content); `headers`, `query` and `server` are the handler's.

    A method named in ROUTES takes the body, and what the parentheses of its pattern match.
    """

    def respond(self, method: str, path: str, body: bytes) -> tuple[int, dict, bytes]:
        """Find the endpoint and let it answer."""
        for wanted, pattern, name in ROUTES:
            if wanted == method and (found := re.fullmatch(pattern, path)):
                with self.server.lock:
                    return getattr(self, name)(body, *(unquote(part or "") for part in found.groups()))
        raise RefusedError(404, "NoSuchEndpoint", f"this Hub does not serve {method} {path}")

    def json(self, value, status: int = 200):
        return status, {"Content-Type": "application/json"}, json.dumps(value).encode()

    def set_breaks(self, body):
        """Not of the Hub: a client says which requests are to break."""
        self.server.breaks = json.loads(body)
        return self.json({})

    def require_token(self):
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise RefusedError(401, "Unauthorized", "who are you?")

    def repository(self, kind: str, name: str) -> Repository:
        repository = self.server.repositories.get((kind, name))
        if repository is None or repository.private and self.headers.get("Authorization") is None:
            raise RefusedError(404, "RepoNotFound", f"there is no {kind.rstrip('s')} {name}")
        return repository

    def revision(self, kind: str, name: str, revision: str) -> tuple[Repository, str]:
        repository = self.repository(kind, name)
        commit = repository.resolve(revision or "main")
        if commit is None:
            raise RefusedError(404, "RevisionNotFound", f"{name} has no revision {revision}")
        return repository, commit

    def create(self, body):
        self.require_token()
        asked = json.loads(body)
        kind, owner = f"{asked.get('type') or 'model'}s", asked.get("organization") or "someone"
        name = f"{owner}/{asked['name'].split('/')[-1]}"
        url = f"{self.server.url}/{KINDS[kind]}{name}"
        if (kind, name) in self.server.repositories:
            return self.json({"error": "it exists", "url": url}, 409)
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        self.server.repositories[kind, name] = Repository(private)
        return self.json({"url": url, "name": name})

    def validate_card(self, body):
        found = re.match(r"---\n.*?\n---\n", json.loads(body)["content"], re.DOTALL)
        errors = [] if found else [{"message": "no YAML block at the head of the card"}]
        return self.json({"errors": errors, "warnings": []})

    def organization(self, body, name):
        return self.json({"name": name, "fullname": name, "avatarUrl": ""})

    def describe(self, body, kind, name, revision=""):
        repository, commit = self.revision(kind, name, revision)
        siblings = [{"rfilename": path} for path in repository.commits[commit]]
        about = {"id": name, "sha": commit, "siblings": siblings, "private": repository.private, "tags": []}
        return self.json(about | {"downloads": 0, "likes": 0})

    def list_branches(self, body, kind, name):
        branches = self.repository(kind, name).branches.items()
        refs = [{"name": b, "ref": f"refs/heads/{b}", "targetCommit": commit} for b, commit in branches]
        return self.json({"branches": refs, "converts": [], "tags": []})

    def list_commits(self, body, kind, name, revision):
        repository, _ = self.revision(kind, name, revision)
        about = {"title": "", "message": "", "date": "2026-01-01T00:00:00.000Z", "authors": []}
        return self.json([about | {"id": commit} for commit in reversed(repository.history)])

    def create_branch(self, body, kind, name, branch):
        self.require_token()
        asked = json.loads(body or b"{}")
        repository, commit = self.revision(kind, name, asked.get("startingPoint", ""))
        if branch in repository.branches:
            raise RefusedError(409, "Conflict", f"{name} has a branch {branch}")
        repository.branches[branch] = commit
        return self.json({})

    def list_tree(self, body, kind, name, revision, folder=""):
        repository, commit = self.revision(kind, name, revision)
        found = repository.entries(commit, folder, "recursive=true" in self.query.lower())
        if folder and not found:
            raise RefusedError(404, "EntryNotFound", f"{name} has no {folder}")
        return self.json(found)

    def list_paths(self, body, kind, name, revision):
        repository, commit = self.revision(kind, name, revision)
        return self.json(repository.paths(commit, json.loads(body)["paths"]))

    def resolve(self, body, prefix, name, revision, path):
        kind = next(kind for kind, start in KINDS.items() if start == prefix)
        repository, commit = self.revision(kind, name, revision)
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        content = repository.commits[commit].get(path)
        if content is None:
            raise RefusedError(404, "EntryNotFound", f"{name} has no {path}", *headers.items())
        if not is_large(path):
            return self.part(content, headers | {"ETag": f'"{blob_id(content)}"'})
        digest = hashlib.sha256(content).hexdigest()
        self.server.large[digest] = content
        linked = {"X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        return 302, headers | linked | {"Location": f"{self.server.store}/{digest}"}, b""

    def part(self, content: bytes, headers: dict):
        """Give the bytes that the Range header asks for, or all."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            return 200, headers, content
        first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
        return (
            206,
            headers | {"Content-Range": f"bytes {first}-{last}/{len(content)}"},
            content[first : last + 1],
        )

    # What is sent: regular files in the commit, large ones before it.

    def choose_upload(self, body, kind, name, revision):
        self.require_token()
        repository, commit = self.revision(kind, name, revision)
        asked = [file["path"] for file in json.loads(body)["files"]]
        present = {entry["path"]: entry for entry in repository.paths(commit, asked)}
        return self.json({"files": [upload_mode(path, present.get(path)) for path in asked]})

    def lfs_batch(self, body, prefix, name):
        self.require_token()
        objects = [
            {**wanted, "actions": {"upload": {"href": f"{self.server.store}/{wanted['oid']}"}}}
            for wanted in json.loads(body)["objects"]
        ]
        return self.json({"transfer": "basic", "objects": objects})

    def store(self, body, digest):
        if hashlib.sha256(body).hexdigest() != digest:
            raise RefusedError(400, "BadDigest", f"what came is not {digest}")
        self.server.large[digest] = body
        return 200, {}, b""

    def fetch(self, body, digest):
        content = self.server.large[digest]
        return self.part(content, {"ETag": f'"{digest}"', "Accept-Ranges": "bytes"})

    def commit(self, body, kind, name, branch):
        self.require_token()
        repository, _ = self.revision(kind, name, branch)
        changes, message = {}, ""
        for line in body.splitlines():
            key, value = (item := json.loads(line))["key"], item["value"]
            if key == "header":
                message = value["summary"]
            elif key == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                if value["oid"] not in self.server.large:
                    raise RefusedError(
                        422, "MissingObject", f"{value['path']} was not uploaded before the commit"
                    )
                changes[value["path"]] = self.server.large[value["oid"]]
            elif key == "deletedFile":
                changes[value["path"]] = None
            else:
                raise RefusedError(400, "BadRequest", f"this Hub knows no {key} in a commit")
        commit = repository.commit(branch, changes, message)
        url = f"{self.server.url}/{KINDS[kind]}{name}/commit/{commit}"
        return self.json({"success": True, "commitOid": commit, "commitUrl": url})


def upload_mode(path: str, present: dict | None) -> dict:
    """Say how a file is to be sent, and what is there by its name."""
    mode = {"path": path, "uploadMode": "lfs" if is_large(path) else "regular", "shouldIgnore": False}
    if present:
        mode["oid"] = present.get("lfs", present)["oid"]
    return mode
