"""Fetching weights from a hub that a test runs: the real client, real connections, real files."""

import hashlib
import sys
from pathlib import Path

import pytest
import toy_hub
from tiny_jobs import ROOT, engine, until

from engine import models
from engine.host import weights_store as weights
from engine.job.errors import BadInput, EngineMissing, JobFailed
from engine.job.messages import Cancelled, Done, Failed, Progress, Started
from engine.worker.download import download_weights

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
        weights.WeightsSource(
            "some/toy", COMMIT, "Be good.", "https://example.org", ("net/config.json", "net/model.safetensors"), 9, "deep/"
        ),
    ),
)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.WEIGHTS_VARIABLE, str(tmp_path / "weights"))
    with toy_hub.running({"some/toy": FILES}) as server:
        yield server


def test_fetches_what_is_named_and_nothing_else(hub):
    reported = []
    target = download_weights(INFO, accept=True, report=lambda *event: reported.append(event), endpoint=hub.url)
    assert {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()} == {
        "net/config.json",
        "net/model.safetensors",
        "accepted.json",
        "files.json",
    }
    assert (target / "net/model.safetensors").read_bytes() == FILES[LARGE]
    assert weights.read_records(target)["net/model.safetensors"]["sha256"] == hashlib.sha256(FILES[LARGE]).hexdigest()
    assert ("net/model.safetensors", len(FILES[LARGE]), len(FILES[LARGE])) in reported
    assert weights.list_missing("toy", INFO.weights) == []
    hub.served.clear()
    download_weights(INFO, endpoint=hub.url)  # accepted once, and all is there
    assert hub.served == []


def test_the_license_is_shown_first(hub):
    with pytest.raises(BadInput, match="Be good.*--accept-license"):
        download_weights(INFO, endpoint=hub.url)
    assert not weights.locate_weights("toy").exists() and hub.served == []


def test_goes_on_where_it_broke_off(hub):
    hub.breaks_at = 15_000_000  # beyond what the client keeps in memory
    with pytest.raises(JobFailed):
        download_weights(INFO, accept=True, endpoint=hub.url)
    assert weights.list_missing("toy", INFO.weights) == ["net/model.safetensors"]
    hub.breaks_at = None
    hub.served.clear()
    download_weights(INFO, endpoint=hub.url)
    assert [start for name, start in hub.served if name == LARGE][0] > 0
    assert (weights.locate_weights("toy") / "net/model.safetensors").read_bytes() == FILES[LARGE]


@pytest.mark.parametrize("name", list(FILES)[:2])
def test_a_file_that_is_not_what_was_promised_is_thrown_away(hub, name):
    hub.files["some/toy"][name] = b"x" + FILES[name][1:]
    with pytest.raises(JobFailed, match="not what some/toy says it is"):
        download_weights(INFO, accept=True, endpoint=hub.url)
    assert name.removeprefix("deep/") in weights.list_missing("toy", INFO.weights)


def test_without_a_hub_it_says_what_goes_where(hub):
    hub.server_close()
    with pytest.raises(JobFailed) as error:
        download_weights(INFO, accept=True, endpoint=hub.url)
    text = str(error.value)
    for file in ("net/config.json", "net/model.safetensors"):
        assert f"deep/{file}" in text and str(weights.locate_weights("toy") / file) in text
    assert COMMIT in text


def test_a_full_disk_is_told_before_anything_is_fetched(hub, monkeypatch):
    from engine.worker import download

    monkeypatch.setattr(download, "SPARE", 1 << 60)
    with pytest.raises(JobFailed, match="free some space"):
        download_weights(INFO, accept=True, endpoint=hub.url)
    assert hub.served == []


def test_the_models_own_tables_are_whole(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.WEIGHTS_VARIABLE, str(tmp_path))
    info = models.info("anidoc")
    assert all(len(source.commit) == 40 and source.files and source.license and source.terms for source in info.weights)
    process = engine("weights", "where", "anidoc")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out.strip() == weights.describe_manual_download("anidoc", info.weights)
    process = engine("weights", "get", "anidoc")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "--accept-license" in err
    process = engine("weights", "get", "flats")
    assert process.wait(60) == 2


@pytest.mark.parametrize("model", [info.id for info in models.available() if info.by_hand])
def test_weights_put_in_place_by_hand_are_said_to_be(model, tmp_path, monkeypatch):
    assert (ROOT / "docs" / f"{model}.md").is_file()
    monkeypatch.setenv(weights.WEIGHTS_VARIABLE, str(tmp_path))
    out, _ = engine("weights", "where", model).communicate(timeout=60)
    assert f"docs/{model}.md" in out and str(tmp_path / model) in out
    process = engine("weights", "get", model)
    assert process.communicate(timeout=60)[1] == f"error: {out}" and process.returncode == 2


# --- for Blender: a child process that tells its events -------------------------------------------------------------


@pytest.fixture
def anidocs(tmp_path, monkeypatch):
    """A hub that has AniDoc's repositories, with small files."""
    monkeypatch.setenv(weights.WEIGHTS_VARIABLE, str(tmp_path / "weights"))
    sources = models.info("anidoc").weights
    with toy_hub.running(
        {s.repository: {s.prefix + file: f"{s.repository} {file}".encode() for file in s.files} for s in sources}
    ) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        for source in sources:
            weights.accept_license(weights.locate_weights("anidoc"), source)
        yield server


def events(child):
    reported = []
    until(lambda: reported.extend(child.poll()) or not child.running, 60)
    return reported


def test_a_child_fetches_and_tells(anidocs, tmp_path):
    child = weights.start_download("anidoc", Path(sys.executable), tmp_path / "logs", online=True)
    reported = events(child)
    assert isinstance(reported[0], Started) and isinstance(reported[-1], Done), reported
    fractions = [event.fraction for event in reported if isinstance(event, Progress)]
    assert fractions and fractions == sorted(fractions)
    assert weights.list_missing("anidoc", models.info("anidoc").weights) == []


def test_a_child_is_cancelled_and_the_next_goes_on(anidocs, tmp_path):
    anidocs.slow = 0.5
    child = weights.start_download("anidoc", Path(sys.executable), tmp_path / "logs", online=True)
    until(lambda: len(anidocs.served) > 2, 60)
    assert isinstance(child.cancel()[-1], Cancelled) and not child.running
    done = len(weights.read_records(weights.locate_weights("anidoc")))
    anidocs.slow = 0.0
    served = len(anidocs.served)
    assert isinstance(events(weights.start_download("anidoc", Path(sys.executable), tmp_path / "logs", online=True))[-1], Done)
    assert done >= 1 and len(anidocs.served) - served == 9 - done


def test_a_child_says_why_not(anidocs, tmp_path):
    with pytest.raises(BadInput, match="online access"):
        weights.start_download("anidoc", Path(sys.executable), tmp_path, online=False)
    with pytest.raises(EngineMissing):
        weights.start_download("anidoc", tmp_path / "python", tmp_path, online=True)
    (weights.locate_weights("anidoc") / weights.ACCEPTED_FILE).unlink()
    end = events(weights.start_download("anidoc", Path(sys.executable), tmp_path, online=True))[-1]
    assert isinstance(end, Failed) and "license" in end.text and anidocs.served == []
