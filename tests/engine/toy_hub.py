"""A hub that a test runs: what the client asks of the real one, over real connections. Standard library only."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub(ThreadingHTTPServer):
    """Repositories of files: their sizes and hashes, and their bytes from any place on. `served` are the file and first byte of each
    request; `breaks_at` the byte at which connections end, `slow` seconds that a file takes."""

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.promised = repositories
        self.files = {name: dict(files) for name, files in repositories.items()}  # what is delivered, whatever was promised
        self.served: list[tuple[str, int]] = []
        self.breaks_at: int | None = None
        self.slow = 0.0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def running(repositories: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    server = Hub(repositories)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/"):
            repository, _, commit = self.path.removeprefix("/api/models/").partition("?")[0].partition("/revision/")
            self._send(json.dumps(self._listing(repository, commit)).encode(), {"Content-Type": "application/json"})
        else:
            self._file(body=True)

    def do_HEAD(self) -> None:
        self._file(body=False)

    def _listing(self, repository: str, commit: str) -> dict:
        rows = []
        for name, data in self.server.promised[repository].items():
            row = {"rfilename": name, "size": len(data), "blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
            if name.endswith(".safetensors"):
                row["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            rows.append(row)
        return {"id": repository, "sha": commit, "siblings": rows, "tags": [], "downloads": 0, "likes": 0, "private": False}

    def _file(self, body: bool) -> None:
        repository, _, rest = self.path[1:].partition("/resolve/")
        name = rest.partition("/")[2]
        data = self.server.files[repository][name]
        start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        headers = {"Content-Length": str(len(data) - start), "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        if not body:
            return self._send(b"", headers)
        time.sleep(self.server.slow)
        self.server.served.append((name, start))
        large = len(data) > 1 << 20
        stop = self.server.breaks_at if large and self.server.breaks_at else len(data)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(data[start:stop], headers, 206 if start else 200)
        if stop < len(data):
            self.close_connection = True

    def _send(self, data: bytes, headers: dict, code: int = 200) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(data)), "X-Repo-Commit": "0" * 40, **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)
