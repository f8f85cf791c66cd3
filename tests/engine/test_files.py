"""Hashes, and files that are there whole or not at all."""

import json
from pathlib import Path

import pytest

from engine.job.errors import JobFailed
from engine.job.files import compute_digest, identify_folder, write_atomic, write_json


def test_an_unwritable_place_is_told_and_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JobFailed, match="Could not write"):
        write_atomic(tmp_path / "file" / "x.png", b"data")
    (tmp_path / "folder").mkdir()
    with pytest.raises(JobFailed, match="Could not write"):
        write_atomic(tmp_path / "folder", b"data")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_the_digest_knows_where_each_part_ends() -> None:
    assert compute_digest("ab", "c") != compute_digest("a", "bc")
    assert compute_digest(b"ab", b"c") != compute_digest(b"a", b"bc")
    assert compute_digest({"a": 1, "b": 2}) == compute_digest({"b": 2, "a": 1})


def test_json_is_utf8_whatever_is_in_a_text(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"text": "caf\udce9 \ud800 仕上げ"})
    assert json.loads((tmp_path / "x.json").read_bytes().decode("utf-8")) == {"text": "caf? ? 仕上げ"}


def test_a_folder_is_known_however_its_path_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Shot").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "Shot", target_is_directory=True)
    assert identify_folder(tmp_path / "link") == identify_folder(str(tmp_path / "other" / ".." / "Shot"))
    assert identify_folder(tmp_path / "Shot") != identify_folder(tmp_path / "shot")
    monkeypatch.setattr("sys.platform", "darwin")
    assert identify_folder(tmp_path / "Shot") == identify_folder(tmp_path / "shot")
