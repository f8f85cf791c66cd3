"""Fetching weights from a hub that a test runs: the real client, real connections, real files."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tiny_jobs import engine

from engine import models, weights
from engine.download import by_hand, get, missing
from engine.errors import BadInput, JobFailed

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"deep/net/config.json": b'{"a": 1}', "deep/net/model.safetensors": bytes(range(256)) * 100_000, "other.bin": b"never asked for"}
LARGE = "deep/net/model.safetensors"
INFO = models.ModelInfo(
    "toy",
    "Toy",
    "A model.",
    ("colorize",),
    "none",
    False,
    "1",
    weights=(
        models.Weights("some/toy", COMMIT, "Be good.", "https://example.org", ("net/config.json", "net/model.safetensors"), 9, "deep/"),
    ),
)


class Hub(ThreadingHTTPServer):
    """What the client asks of the hub: a repository's files, their sizes and hashes, and their bytes from any place on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(FILES)
        self.served: list[tuple[str, int]] = []  # file and first byte
        self.breaks_at = None
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *args) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/"):
            self._send(json.dumps(self._listing()).encode(), {"Content-Type": "application/json"})
        else:
            self._file(body=True)

    def do_HEAD(self) -> None:
        self._file(body=False)

    def _listing(self) -> dict:
        rows = []
        for name, data in FILES.items():  # what the hub promises, whatever it delivers
            row = {"rfilename": name, "size": len(data), "blobId": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
            if name == LARGE:
                row["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            rows.append(row)
        return {"id": "some/toy", "sha": COMMIT, "siblings": rows, "tags": [], "downloads": 0, "likes": 0, "private": False}

    def _file(self, body: bool) -> None:
        name = self.path.partition(f"/resolve/{COMMIT}/")[2]
        data = self.server.files[name]
        start = int(self.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        if not body:
            return self._send(b"", {"Content-Length": str(len(data)), "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}, name)
        self.server.served.append((name, start))
        stop = self.server.breaks_at if name == LARGE and self.server.breaks_at else len(data)
        headers = {"Content-Length": str(len(data) - start), "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(data[start:stop], headers, name, 206 if start else 200)
        if stop < len(data):
            self.close_connection = True

    def _send(self, data: bytes, headers: dict, name: str = "", code: int = 200) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(data)), "X-Repo-Commit": COMMIT, **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path / "weights"))
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_fetches_what_is_named_and_nothing_else(hub):
    heard = []
    target = get(INFO, accept=True, tell=lambda *said: heard.append(said), endpoint=hub.url)
    assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == {
        "net/config.json",
        "net/model.safetensors",
        "accepted.json",
        "files.json",
    }
    assert (target / "net/model.safetensors").read_bytes() == FILES[LARGE]
    assert weights.recorded(target)["net/model.safetensors"]["sha256"] == hashlib.sha256(FILES[LARGE]).hexdigest()
    assert ("net/model.safetensors", len(FILES[LARGE]), len(FILES[LARGE])) in heard
    assert missing(INFO) == []
    hub.served.clear()
    get(INFO, endpoint=hub.url)  # accepted once, and all is there
    assert hub.served == []


def test_the_license_is_shown_first(hub):
    with pytest.raises(BadInput, match="Be good.*--accept-license"):
        get(INFO, endpoint=hub.url)
    assert not weights.folder("toy").exists() and hub.served == []


def test_goes_on_where_it_broke_off(hub):
    hub.breaks_at = 15_000_000  # beyond what the client keeps in memory
    with pytest.raises(JobFailed):
        get(INFO, accept=True, endpoint=hub.url)
    assert missing(INFO) == ["net/model.safetensors"]
    hub.breaks_at = None
    hub.served.clear()
    get(INFO, endpoint=hub.url)
    assert [start for name, start in hub.served if name == LARGE][0] > 0
    assert (weights.folder("toy") / "net/model.safetensors").read_bytes() == FILES[LARGE]


@pytest.mark.parametrize("name", list(FILES)[:2])
def test_a_file_that_is_not_what_was_promised_is_thrown_away(hub, name):
    hub.files[name] = b"x" + FILES[name][1:]
    with pytest.raises(JobFailed, match="not what some/toy says it is"):
        get(INFO, accept=True, endpoint=hub.url)
    assert name.removeprefix("deep/") in missing(INFO)


def test_without_a_hub_it_says_what_goes_where(hub):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(JobFailed) as error:
        get(INFO, accept=True, endpoint=hub.url)
    text = str(error.value)
    for file in ("net/config.json", "net/model.safetensors"):
        assert f"deep/{file}" in text and str(weights.folder("toy") / file) in text
    assert COMMIT in text


def test_a_full_disk_is_told_before_anything_is_fetched(hub, monkeypatch):
    import engine.download as download

    monkeypatch.setattr(download, "SPARE", 1 << 60)
    with pytest.raises(JobFailed, match="free some space"):
        get(INFO, accept=True, endpoint=hub.url)
    assert hub.served == []


def test_the_models_own_tables_are_whole(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
    info = models.info("anidoc")
    assert all(len(source.commit) == 40 and source.files and source.license and source.terms for source in info.weights)
    process = engine("weights", "where", "anidoc")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out.strip() == by_hand(info)
    process = engine("weights", "get", "anidoc")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "--accept-license" in err
    process = engine("weights", "get", "flats")
    assert process.wait(60) == 2
