"""Environments are made once, completed after an interruption, and of the right Python."""

import shutil
import sys
from pathlib import Path

import environments
import pytest

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> environments.VirtualEnvironment:
    """An environment without any package, in a folder of its own."""
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    found = environments.VirtualEnvironment("tiny", HERE, ("requirements.txt",))
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setitem(environments.ENVIRONMENTS, "tiny", found)
    return found


def test_made_once(tiny: environments.VirtualEnvironment, capfd: pytest.CaptureFixture[str]) -> None:
    assert environments.ensure_environment("tiny") == tiny.executable
    assert "made" in capfd.readouterr().err
    environments.ensure_environment("tiny")
    assert capfd.readouterr().err == ""


def test_completed_after_an_interruption(tiny: environments.VirtualEnvironment) -> None:
    environments.ensure_environment("tiny")
    (tiny.folder / "stamp").unlink()
    marker = tiny.folder / "marker"
    marker.touch()
    environments.ensure_environment("tiny")
    assert marker.exists(), "what was there is used"
    assert (tiny.folder / "stamp").exists()

    (tiny.folder / "stamp").unlink()
    shutil.rmtree(next(tiny.folder.glob("lib/python*/site-packages/pip")))
    environments.ensure_environment("tiny")
    assert not marker.exists(), "what can't be used is made anew"


def test_new_requirements_are_installed_and_an_impossible_one_is_told(tiny: environments.VirtualEnvironment) -> None:
    environments.ensure_environment("tiny")
    requirements = environments.ROOT / "requirements.txt"
    requirements.write_text("shiage-no-such-package @ file:///nowhere/shiage.whl\n")
    with pytest.raises(environments.EnvironmentFailure, match="pip"):
        environments.ensure_environment("tiny")
    assert not (tiny.folder / "stamp").exists()
    requirements.write_text("# nothing again\n")
    environments.ensure_environment("tiny")


def test_a_python_of_pyenv_or_uv_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path(sys.executable).resolve()
    pyenv = tmp_path / "pyenv/versions" / f"{HERE}.99/bin/python"
    uv = tmp_path / "uv" / f"cpython-{HERE}.99-linux-x86_64-gnu/bin/python3"
    liar = tmp_path / "bin" / f"python{HERE}"
    for path in (pyenv, uv, liar):
        path.parent.mkdir(parents=True)
        path.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
        path.chmod(0o755)
    liar.write_text("#!/bin/sh\necho not installed >&2; exit 127\n")  # what a shim of pyenv does
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", str(liar.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "uv"))
    assert environments.find_python(HERE) == pyenv
    shutil.rmtree(tmp_path / "pyenv")
    assert environments.find_python(HERE) == uv
