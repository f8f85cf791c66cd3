"""The extension as an animator gets it: the zip, installed into a real Blender without anything else."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import blender as machine
import make_zip
import pytest
from PIL import Image, ImageDraw

os.environ["OMP_NUM_THREADS"] = "1"  # for the engines that tests start: their work is small, and threads would only wait for each other
REPOSITORY = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
SIZE = (320, 240)  # of the small shot
sys.path.append(str(REPOSITORY / "tests/engine"))  # the tiny networks; after this folder, which has files of the same names


class Reader:
    """A Blender in the background that stays open and runs small scripts one after the other, which build and read files for tests without
    starting Blender again. What is tested runs in separate Blenders."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def open(self, blender: "Blender") -> None:
        self._process = blender.start("-b", "--python", HERE / "serve_scripts.py", "--", stdin=subprocess.PIPE)

    def run(self, script: Path, *arguments: object, file: Path | None = None) -> str:
        """Run a script, and fail if it raises. Returns Blender's output."""
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None, "it is open"
        request = {"file": str(file) if file else None, "script": str(script), "arguments": [str(argument) for argument in arguments]}
        silence = threading.Timer(240, process.kill)
        silence.start()
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        output = []
        for line in process.stdout:
            if line.startswith("SERVED "):
                error = json.loads(line.removeprefix("SERVED "))
                silence.cancel()
                assert not error, "".join(output) + error
                return "".join(output)
            output.append(line)
        silence.cancel()
        pytest.fail(f"Blender ended while it ran {script.name}:\n{''.join(output)}")

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=60)


@dataclass(frozen=True)
class Blender:
    """A real Blender with preferences and extensions of its own."""

    command: list[str]
    resources: Path
    engine_python: Path
    reader: Reader = field(default_factory=Reader)

    def surroundings(self, **variables: str) -> dict[str, str]:
        own = {"BLENDER_USER_RESOURCES": str(self.resources), "SHIAGE_ENGINE_PYTHON": str(self.engine_python)}
        return machine.make_process_env(self.command, **{**own, **variables})

    def start(self, *arguments: object, stdin: int | None = None, **variables: str) -> subprocess.Popen[str]:
        command = [*self.command, *(str(argument) for argument in arguments)]
        pipes = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, env=self.surroundings(**variables), text=True, errors="replace", **pipes)

    def run(self, *arguments: object, timeout: float = 240, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **variables)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            pytest.fail(f"Blender did not end within {timeout} s:\n{output}")
        return subprocess.CompletedProcess(process.args, process.returncode, output)

    def shiage(self, file: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """blender -b FILE -c shiage ARGUMENTS"""
        return self.run("-b", file, "-c", "shiage", *arguments, **variables)

    def script(self, script: Path, *arguments: object, file: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a script in the background, and fail if it raises."""
        opened = [file] if file else []
        done = self.run("-b", *opened, "--python-exit-code", 1, "--python", script, "--", *arguments)
        assert done.returncode == 0, done.stdout
        return done

    def strips(self, file: Path) -> list[dict]:
        """What the Sequencer of a .blend shows, see report_strips.py."""
        answer = file.with_suffix(".strips.json")
        self.reader.run(HERE / "report_strips.py", answer, file=file)
        return json.loads(answer.read_text("utf-8"))

    def call_shiage(self, file: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
        """As `shiage`, for what ends before an engine is needed: the command alone, in the reader."""
        answer = file.with_suffix(".status")
        output = self.reader.run(HERE / "call_command.py", answer, *arguments, file=file)
        return subprocess.CompletedProcess(list(arguments), int(answer.read_text("utf-8")), output)


@pytest.fixture(scope="session")
def blender_command() -> list[str]:
    command = machine.find_blender()
    if command is None:
        pytest.skip("there is no Blender 4.3 or newer on this machine: `make blender` installs one, or put it on PATH")
    return command


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_zip.make_zip(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def blender(blender_command: list[str], extension_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blender]:
    """A Blender in which the zip is installed, as from the shell."""
    folder = tmp_path_factory.mktemp("blender")
    found = Blender(blender_command, folder / "resources", machine.make_engine_python(blender_command, folder))
    found.resources.mkdir()
    done = found.run("--command", "extension", "install-file", "-r", "user_default", "-e", extension_zip)
    assert done.returncode == 0, done.stdout
    assert (found.resources / "extensions/user_default/shiage/blender_manifest.toml").is_file(), done.stdout
    found.reader.open(found)
    yield found
    found.reader.close()


@pytest.fixture(scope="session")
def small_shot(blender: Blender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved shot of three drawings on twos, 320 x 240 px, frames 1 to 6: a disk with a smaller one inside that moves to the right."""
    path = tmp_path_factory.mktemp("shot") / "shot.blend"
    blender.reader.run(HERE / "build_shot.py", path)
    return path


@pytest.fixture(scope="session")
def demo(blender: Blender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the demo shot: shot.blend, key.png, sheet.png."""
    folder = tmp_path_factory.mktemp("demo")
    blender.script(REPOSITORY / "demo" / "build.py", "--out", folder)
    return folder


@pytest.fixture
def shot(small_shot: Path, tmp_path: Path) -> Path:
    """A copy of the small shot that a test may change."""
    copy = tmp_path / "shot.blend"
    copy.write_bytes(small_shot.read_bytes())
    return copy


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first drawing of the small shot, colored by hand."""
    picture = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((50, 50, 190, 190), fill=(240, 200, 160, 255), outline=(0, 0, 0, 255), width=4)
    draw.ellipse((90, 90, 130, 130), fill=(40, 120, 200, 255), outline=(0, 0, 0, 255), width=4)
    path = tmp_path_factory.mktemp("reference") / "reference.png"
    picture.save(path)
    return path


def pytest_report_header() -> str:
    command = machine.find_blender()
    return f"blender: {' '.join(command)} {machine.read_version(command)}" if command else "blender: none"
