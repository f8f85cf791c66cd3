"""Blender's window, on a virtual X server: pointing and clicking."""

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import HERE, REPOSITORY, Blender
from PIL import Image

pytestmark = pytest.mark.gui
PICTURES = REPOSITORY / "out" / "screenshots"


def play(blender: Blender, scenario: str, shot: Path, out: Path, **variables: str) -> None:
    """Open the shot in Blender's window and play tests/e2e/gui/<scenario>.py. Its screenshots are kept in out/screenshots."""
    if not any(shutil.which(name) for name in ("Xvfb", blender.command[0] if len(blender.command) > 1 else "Xvfb")):
        pytest.skip("there is no Xvfb on this machine: `make blender` installs one with Blender")
    script = HERE / "gui" / f"{scenario}.py"
    done = subprocess.run(
        [REPOSITORY / "tools" / "xvfb_blender.sh", script, shot],
        env=blender.surroundings(BLENDER=" ".join(blender.command), SHIAGE_TEST_OUT=str(out), **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    PICTURES.mkdir(parents=True, exist_ok=True)
    for picture in out.glob("*.png"):
        shutil.copy(picture, PICTURES / f"{scenario}-{picture.name}")
    failure = out / "failure.txt"
    assert not failure.exists(), failure.read_text("utf-8") + done.stdout
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout, done.stdout


def test_a_click_colors_the_demo_shot(blender: Blender, demo: Path, tmp_path: Path) -> None:
    shot, out = tmp_path / "shot.blend", tmp_path / "out"
    shutil.copy(demo / "shot.blend", shot)
    out.mkdir()
    play(blender, "click_colorize", shot, out, SHIAGE_TEST_REFERENCE=str(demo / "key.png"), WIDTH="1440", HEIGHT="900", LIMIT="280")
    (strip,) = blender.strips(shot)
    assert (strip["start"], strip["end"]) == (1, 55)
    assert len(strip["files"]) == 54
    with Image.open(Path(strip["folder"], strip["files"][0])) as picture:
        assert picture.size == (960, 540)
        assert len(picture.convert("RGBA").getcolors(1 << 20)) > 20, "she is painted"


def test_a_click_corrects_a_region(blender: Blender, shot: Path, reference: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    play(blender, "click_correct", shot, out, SHIAGE_TEST_REFERENCE=str(reference), WIDTH="1440", HEIGHT="900")


@pytest.mark.parametrize("scenario", ["reload_at_work", "disable_at_work", "undo_import"])
def test_whatever_happens_meanwhile_the_strip_is_there_in_the_end(
    blender: Blender, shot: Path, reference: Path, tmp_path: Path, scenario: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    play(blender, scenario, shot, out, SHIAGE_TEST_REFERENCE=str(reference))
    assert len(blender.strips(shot)) == 1
