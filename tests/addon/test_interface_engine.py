"""The engine's Python as the preferences show it."""

import bpy
import pytest
from conftest import PACKAGE, REPOSITORY, module

ENGINE = REPOSITORY / ".venv/engine/bin/python"


@pytest.fixture
def preferences(extension, monkeypatch):
    """The extension's preferences without the variable that would win over them."""
    monkeypatch.delenv("SHIAGE_ENGINE_PYTHON", raising=False)
    found = bpy.context.preferences.addons[PACKAGE].preferences
    yield found
    found.engine_python = ""


def test_no_engine_is_said(preferences):
    module("operators.engine").refresh_status()
    assert module("operators.engine").status.state == "missing"
    with pytest.raises(RuntimeError, match="There is no engine at"):
        bpy.ops.shiage.test_engine()


def test_an_existing_python_can_be_chosen_and_tested(preferences):
    preferences.engine_python = str(ENGINE)
    assert module("operators.engine").status.usable, "seen at once"
    assert bpy.ops.shiage.test_engine() == {"FINISHED"}
    assert module("operators.engine").status.state in ("ready", "outdated")


def test_a_python_without_the_packages_is_refused(preferences, tmp_path):
    import venv

    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    preferences.engine_python = str(tmp_path / "bare/bin/python")
    with pytest.raises(RuntimeError, match="The engine lacks"):
        bpy.ops.shiage.test_engine()
    assert "Install the engine first" in module("operators.engine").find_obstacle()


def test_without_the_network_the_button_says_so(preferences):
    if bpy.app.online_access:
        pytest.skip("online access is allowed here")
    with pytest.raises(RuntimeError, match="allow online access"):
        bpy.ops.shiage.install_engine()


def test_nothing_to_cancel_and_no_log(preferences):
    with pytest.raises(RuntimeError, match="No installation is running"):
        bpy.ops.shiage.cancel_install()
    with pytest.raises(RuntimeError, match="There is no log"):
        bpy.ops.shiage.open_install_log()
