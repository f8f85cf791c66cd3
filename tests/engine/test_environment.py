"""The engine's Python: real environments, made of a package that is built here, interrupted and completed."""

import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from tiny_jobs import ROOT, alive, until, well_formed

from engine.host import environment
from engine.host.child import ChildProcess
from engine.job.errors import BadInput, EngineMissing, JobFailed
from engine.job.messages import Cancelled, Done, Failed, Progress

PYTHON = Path(sys.executable)


def wheel(folder: Path, version: str) -> None:
    name = f"tinypaint-{version}"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as archive:
        archive.writestr("tinypaint.py", f"VERSION = '{version}'\n")
        archive.writestr(f"{name}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: tinypaint\nVersion: {version}\n")
        archive.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{name}.dist-info/RECORD", "")


@pytest.fixture
def requirements(tmp_path):
    """Requirements of one package, which lies in a folder here."""
    wheel(tmp_path / "wheels", "1.0")
    return want(tmp_path, "1.0")


def want(tmp_path: Path, version: str, source: str = "") -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text(f"--no-index\n--find-links {source or tmp_path / 'wheels'}\ntinypaint=={version}\n")
    return path


def finish(install: ChildProcess) -> list:
    events = []
    until(lambda: events.extend(install.poll()) or not install.running, 180)
    assert well_formed(events)
    return events


def start(tmp_path: Path, requirements: Path) -> ChildProcess:
    return environment.start_install(tmp_path / "engine", True, requirements, need=1)


def test_installs_updates_and_keeps_to_its_folder(tmp_path, requirements, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    python = environment.locate_venv_python(tmp_path / "engine")
    assert environment.check_engine(python, requirements).state == "missing"

    install = start(tmp_path, requirements)
    events = finish(install)
    assert isinstance(events[-1], Done) and "Fatal" not in install.log.read_text()
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions) and len(fractions) > 2
    assert environment.check_engine(python, requirements).state == "ready"

    wheel(tmp_path / "wheels", "2.0")
    newer = want(tmp_path, "2.0")
    status = environment.check_engine(python, newer)
    assert status.state == "outdated" and status.usable and "tinypaint" in status.text
    assert isinstance(finish(start(tmp_path, newer))[-1], Done)
    assert environment.check_engine(python, newer).state == "ready"
    said = subprocess.run([python, "-c", "import tinypaint; print(tinypaint.VERSION)"], capture_output=True, text=True).stdout
    assert said.strip() == "2.0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["engine", "home", "requirements.txt", "wheels"]
    assert {path.name for path in home.iterdir()} <= {".rustup"}  # pip asks rustc, where there is one, for its version


class Slow(SimpleHTTPRequestHandler):
    """A server that begins to send a package and then waits."""

    go = threading.Event()
    asked = threading.Event()

    def copyfile(self, source, outputfile):
        if self.path.endswith(".whl"):
            outputfile.write(source.read(100))
            outputfile.flush()
            self.asked.set()
            self.go.wait()
        super().copyfile(source, outputfile)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def slow(tmp_path, requirements):
    """The requirements, from a server that does not go on until Slow.go is set."""
    Slow.go.clear()
    Slow.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Slow, directory=tmp_path / "wheels"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield want(tmp_path, "1.0", f"http://127.0.0.1:{server.server_port}/")
    Slow.go.set()
    server.shutdown()
    server.server_close()


_PARENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from engine.host import environment
install = environment.start_install(Path({target!r}), True, Path({requirements!r}), need=1)
while True:
    install.poll()
    time.sleep(0.05)
"""


def test_interrupted_anywhere_it_is_completed_by_the_next(tmp_path, slow):
    target = tmp_path / "engine"
    python = environment.locate_venv_python(target)

    # The one who asked for it is killed while the environment is being made.
    script = _PARENT.format(root=str(ROOT), target=str(target), requirements=str(slow))
    parent = subprocess.Popen([sys.executable, "-c", script])
    until((target / "venv").exists)
    family = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    assert family
    until(lambda: not any(alive(process.pid) for process in family))
    assert environment.check_engine(python, slow).state in ("missing", "broken")

    # A person cancels the download.
    install = start(tmp_path, slow)
    until(Slow.asked.is_set, 120)
    family = psutil.Process().children(recursive=True)
    assert len(family) >= 2
    events = install.cancel()
    assert isinstance(events[-1], Cancelled) and not install.running and install.poll() == [] and install.cancel() == []
    until(lambda: not any(alive(process.pid) for process in family))  # killed processes die when the system gets to it
    assert environment.check_engine(python, slow).state == "broken"

    Slow.go.set()
    assert isinstance(finish(start(tmp_path, slow))[-1], Done)
    assert environment.check_engine(python, slow).state == "ready"
    assert not (target / environment.MARK_FILE).exists() and not (target / "cache").exists()


def test_a_package_that_cannot_be_had_is_a_sentence_and_a_log(tmp_path, requirements):
    (tmp_path / "wheels/tinypaint-1.0-py3-none-any.whl").unlink()
    install = start(tmp_path, requirements)
    end = finish(install)[-1]
    assert isinstance(end, Failed) and "tinypaint" in end.text and environment.LOG_FILE in end.text
    assert "tinypaint" in install.log.read_text()
    assert environment.check_engine(environment.locate_venv_python(tmp_path / "engine"), requirements).state == "broken"


def test_one_installation_at_a_time(tmp_path, slow):
    first = start(tmp_path, slow)
    until((tmp_path / "engine/venv").exists)
    (tmp_path / "engine" / environment.EVENTS_FILE).rename(tmp_path / "first.jsonl")
    end = finish(start(tmp_path, slow))[-1]
    assert isinstance(end, Failed) and "is working on" in end.text
    first.cancel()


def test_an_installer_that_is_killed_is_told(tmp_path, slow):
    install = start(tmp_path, slow)
    until((tmp_path / "engine/venv").exists)
    (child,) = [p for p in psutil.Process().children() if "engine.host.installer" in p.cmdline()]
    child.kill()
    events = finish(install)
    assert isinstance(events[-1], Failed) and environment.LOG_FILE in events[-1].text


# --- refusals -----------------------------------------------------------------------------------------------------


def test_offline_is_refused_before_anything_is_written(tmp_path, requirements):
    with pytest.raises(BadInput, match="online access"):
        environment.start_install(tmp_path / "engine", False, requirements)
    assert not (tmp_path / "engine").exists()


def test_too_small_a_disk_is_refused(tmp_path, requirements):
    with pytest.raises(JobFailed, match="free some space"):
        environment.start_install(tmp_path / "engine", True, requirements, need=1 << 60)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, requirements):
    (tmp_path / "engine").touch()
    with pytest.raises(JobFailed, match="another folder"):
        start(tmp_path, requirements)


def test_no_python_to_install_with(tmp_path, requirements, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "blender"))
    with pytest.raises(EngineMissing, match="python.org"):
        start(tmp_path, requirements)


# --- finding and checking -----------------------------------------------------------------------------------------


def test_this_environment_is_ready():
    status = environment.check_engine(PYTHON)
    assert status.state == "ready" and status.usable


def test_what_is_lacking_is_named(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\nnumpy==0.0.1\nno_such-package==1.0 ; python_version > '3'\n\nunpinned\n")
    assert environment.read_pins(path) == {"numpy": "0.0.1", "no-such-package": "1.0"}
    status = environment.check_engine(PYTHON, path)
    assert status.state == "broken" and "no-such-package" in status.text and not status.usable


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo '[[3, 9], \"/usr/bin/python3.9\", {}]'", "3.11"),
        ("echo Segmentation fault; exit 139", "does not run"),
        ("exit 0", "does not run"),
    ],
)
def test_what_is_no_python_for_it_is_broken(tmp_path, script, words):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    status = environment.check_engine(python)
    assert status.state == "broken" and words in status.text


@pytest.mark.parametrize("name", ["", "file", "folder"])
def test_what_is_no_program_is_missing_or_broken(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert environment.check_engine(tmp_path / name).state in ("missing", "broken")


def test_the_variable_wins_over_the_choice_and_the_choice_over_the_installed(tmp_path, monkeypatch):
    monkeypatch.delenv(environment.PYTHON_VARIABLE, raising=False)
    assert environment.locate_python(tmp_path) == environment.locate_venv_python(tmp_path)
    assert environment.locate_python(tmp_path, "/chosen/python") == Path("/chosen/python")
    monkeypatch.setenv(environment.PYTHON_VARIABLE, "/named/python")
    assert environment.locate_python(tmp_path, "/chosen/python") == Path("/named/python")


def test_finds_a_python_that_makes_environments():
    python = environment.find_python()
    assert python is not None and environment.can_make_environments(python)


def test_self_test(tmp_path):
    assert environment.run_self_test(PYTHON, tmp_path / "log").state == "ready"
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'error: The self-test failed: no cv2.' >&2\nexit 4\n")
    python.chmod(0o755)
    status = environment.run_self_test(python, tmp_path / "log")
    assert (status.state, status.text) == ("broken", "error: The self-test failed: no cv2.")
    assert environment.run_self_test(tmp_path / "nothing", tmp_path / "log").state == "missing"
