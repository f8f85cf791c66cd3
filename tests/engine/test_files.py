"""Hashes, and files that are there whole or not at all."""

import json
from pathlib import Path

import pytest

from engine.job.errors import JobFailed
from engine.job.files import digest, write_atomic, write_json


def test_an_unwritable_place_is_told_and_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JobFailed, match="Could not write"):
        write_atomic(tmp_path / "file" / "x.png", b"data")
    (tmp_path / "folder").mkdir()
    with pytest.raises(JobFailed, match="Could not write"):
        write_atomic(tmp_path / "folder", b"data")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_the_digest_knows_where_each_part_ends() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest(b"ab", b"c") != digest(b"a", b"bc")
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_json_is_utf8_whatever_is_in_a_text(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"text": "caf\udce9 \ud800 仕上げ"})
    assert json.loads((tmp_path / "x.json").read_bytes().decode("utf-8")) == {"text": "caf? ? 仕上げ"}
