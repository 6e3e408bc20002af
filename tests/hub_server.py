"""A hub of models on this machine: it speaks the few requests by which huggingface_hub uploads and downloads."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from typing import Any


class Hub:
    """Holds the files of the last commit of each repository; `large` names are stated by sha256, as LFS."""

    def __init__(self) -> None:
        self.url = ""
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.large: set[str] = set()
        self.damaged: set[str] = set()
        self.requests: list[str] = []
        self.is_down = False

    def commit_of(self, name: str) -> str:
        """Name the commit: the sum of all files."""
        files = sorted(self.repositories[name].items())
        return hashlib.sha1(b"".join(key.encode() + value for key, value in files)).hexdigest()

    def describe(self, name: str) -> dict[str, Any]:
        """Answer what a repository holds."""
        siblings = []
        for file, content in self.repositories[name].items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            one: dict[str, Any] = {"rfilename": file, "size": len(content), "blobId": blob}
            if file in self.large:
                sha256 = hashlib.sha256(content).hexdigest()
                one["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
            siblings.append(one)
        return {"id": name, "modelId": name, "sha": self.commit_of(name), "siblings": siblings}

    def post(self, path: str, body: bytes) -> Any:
        """Answer a request that changes something."""
        if path == "/api/repos/create":
            content = json.loads(body)
            name = "/".join(filter(None, (content.get("organization"), content["name"])))
            self.repositories.setdefault(name, {})
            return {"url": f"{self.url}/{name}"}
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/main", path)
        assert found, path
        if found[2] == "preupload":
            names = [file["path"] for file in json.loads(body)["files"]]
            return {
                "files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            }
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                self.repositories[found[1]][entry["value"]["path"]] = base64.b64decode(
                    entry["value"]["content"]
                )
        commit = self.commit_of(found[1])
        return {"commitOid": commit, "commitUrl": f"{self.url}/{found[1]}/commit/{commit}", "success": True}


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.requests.append(f"POST {self.path}")
        self._send(json.dumps(self.hub.post(self.path.partition("?")[0], body)).encode())

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.hub.requests.append(f"{self.command} {path}")
        about = re.fullmatch(r"/api/models/([^/]+/[^/]+)(/revision/main)?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.+)", path)
        if self.hub.is_down:
            self.send_error(503)
        elif about and about[1] in self.hub.repositories:
            self._send(json.dumps(self.hub.describe(about[1])).encode())
        elif file and file[3] in self.hub.repositories.get(file[1], {}):
            content = self.hub.repositories[file[1]][file[3]]
            sent = content[:-1] + b"?" if file[3] in self.hub.damaged else content
            etag = hashlib.sha256(content).hexdigest()
            self._send(sent, {"ETag": f'"{etag}"', "X-Repo-Commit": file[2]})
        else:
            self._send(b"{}", {"X-Error-Code": "RepoNotFound"}, 404)

    do_HEAD = do_GET

    def _send(self, content: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def serve() -> Iterator[Hub]:
    """Run an empty hub."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        hub.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield hub
        running.shutdown()
        thread.join()
