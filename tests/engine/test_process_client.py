"""Blender's side of the engine: real workers that are killed, stopped, deaf, or contacted by strangers."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from tiny_jobs import MODELS, ODD_NAMES, ROOT, alive, exists, make, owner, until, well_formed

from engine.host.client import EngineClient
from engine.host.process import LOG_NAME
from engine.job.errors import BadInput, EngineMissing
from engine.job.messages import Cancelled, Done, Failed, FrameDone, Started

PYTHON = Path(sys.executable)


@pytest.fixture
def client(tmp_path):
    """A client with short timeouts."""
    engine = EngineClient(PYTHON, tmp_path / "log", [MODELS], silence=5.0, patience=2.0)
    yield engine
    engine.close()


def events_until(engine: EngineClient, *folders: Path) -> dict[Path, list]:
    """Poll until these jobs have ended. Returns all events by job."""
    events = {folder: [] for folder in folders}

    def ended():
        for name, event in engine.poll():
            events[Path(name)].append(event)
        return all(engine.state(folder).ended for folder in folders) and not engine.poll()

    until(ended)
    return events


def test_a_job_from_submission_to_done(client, tmp_path):
    folder = make(tmp_path / "job", 3)
    state = client.submit(folder, "Shot 12")
    assert (state.title, state.state, state.position) == ("Shot 12", "queued", 1)
    events = events_until(client, folder)[folder]
    assert well_formed(events) and isinstance(events[-1], Done)
    state = client.state(folder)
    assert (state.state, state.fraction, state.finished, state.pictures, state.position) == ("done", 1.0, 3, 3, 0)
    assert state.text and not client.busy


def test_two_jobs_run_in_order_in_one_process(client, tmp_path):
    first, second = make(tmp_path / "first", pause=0.05), make(tmp_path / "second")
    client.submit(first)
    assert client.submit(second).position == 2
    by_job = events_until(client, first, second)
    assert well_formed(by_job[first]) and well_formed(by_job[second])
    assert owner(first) == owner(second)
    assert [job.folder for job in client.jobs] == [str(first), str(second)]


def test_a_job_that_is_asked_for_twice_is_refused_until_it_ended(client, tmp_path):
    folder = make(tmp_path / "job", pause=0.05)
    client.submit(folder)
    with pytest.raises(BadInput):
        client.submit(folder)
    events_until(client, folder)
    client.submit(folder)
    events = events_until(client, folder)[folder]
    assert [event.reused for event in events if isinstance(event, FrameDone)] == [True] * 4


def test_the_queue_counts_on_when_one_is_taken_out(client, tmp_path):
    folders = [make(tmp_path / name, 2, pause=1000.0 if name == "a" else 0.0) for name in "abcd"]
    for folder in folders:
        client.submit(folder)
    until(lambda: client.poll() is not None and client.state(folders[0]).state == "running")
    assert [client.state(folder).position for folder in folders] == [0, 1, 2, 3]
    client.cancel(folders[1])
    assert [client.state(folder).position for folder in folders] == [0, 0, 1, 2]
    assert client.state(folders[1]).state == "cancelled"
    client.cancel(folders[0])
    by_job = events_until(client, *folders)
    assert [client.state(folder).state for folder in folders] == ["cancelled", "cancelled", "done", "done"]
    assert all(well_formed(events) for events in by_job.values())
    assert not exists(folders[1], 0)


def test_cancel_all(client, tmp_path):
    folders = [make(tmp_path / name, pause=1000.0) for name in "abc"]
    for folder in folders:
        client.submit(folder)
    until(lambda: client.poll() is not None and client.state(folders[0]).state == "running")
    client.cancel_all_jobs()
    events_until(client, *folders)
    assert {client.state(folder).state for folder in folders} == {"cancelled"}


def test_cancel_at_once_and_after_the_end_and_of_nothing(client, tmp_path):
    folder = make(tmp_path / "job")
    client.cancel(folder)
    client.submit(folder)
    client.cancel(folder)
    assert well_formed(events_until(client, folder)[folder])
    assert client.state(folder).state == "cancelled"
    client.cancel(folder)
    client.submit(folder)
    events_until(client, folder)
    client.cancel(folder)
    assert client.poll() == [] and client.state(folder).state == "done"
    client.forget(folder)
    assert client.jobs == ()


def test_a_late_cancel_does_not_hit_the_next_run(client, tmp_path):
    folder = make(tmp_path / "job", 2)
    for _ in range(5):
        client.submit(folder)
        until(lambda: client.poll() is not None and client.state(folder).state == "running" or client.state(folder).ended)
        client.cancel(folder)
        events_until(client, folder)
    client.submit(folder)
    assert isinstance(events_until(client, folder)[folder][-1], Done)


def test_a_deaf_job_is_cancelled_by_ending_the_engine(client, tmp_path):
    folder, later = make(tmp_path / "job", act="deaf", at=1), make(tmp_path / "later")
    client.submit(folder)
    client.submit(later)
    until(lambda: client.poll() is not None and client.state(folder).finished == 1)
    pid = owner(folder)
    client.cancel(folder)
    assert client.state(folder).stage == "Cancelling"
    events = events_until(client, folder, later)
    assert client.state(folder).state == "cancelled"
    assert isinstance(events[later][-1], Done)
    assert not alive(pid) and owner(later) != pid


@pytest.mark.parametrize("act", ["raise", "memory", "exit", "import", "fill disk", "print"])
def test_a_failing_job_leaves_the_process_for_the_next(client, tmp_path, act):
    bad, good = make(tmp_path / "bad", act=act, at=1), make(tmp_path / "good")
    client.submit(bad)
    client.submit(good)
    events = events_until(client, bad, good)
    assert client.state(bad).state == ("done" if act == "print" else "failed")
    assert well_formed(events[bad]) and isinstance(events[good][-1], Done)
    assert owner(bad) == owner(good)


@pytest.mark.parametrize(("act", "words"), [("die", "died"), ("stop", "no sign of life")])
def test_a_process_that_dies_or_hangs_fails_the_running_job_alone(client, tmp_path, act, words):
    bad, good = make(tmp_path / "bad", act=act, at=2), make(tmp_path / "good")
    client.submit(bad)
    client.submit(good)
    events = events_until(client, bad, good)
    state = client.state(bad)
    assert (state.state, state.kind, state.finished) == ("failed", "job_failed", 2) and words in state.text
    assert well_formed(events[bad]) and well_formed(events[good]) and isinstance(events[good][-1], Done)
    assert owner(bad) != owner(good) and not alive(owner(bad))


def test_killed_from_outside_and_asked_again_it_goes_on(client, tmp_path):
    folder = make(tmp_path / "job", 5, pause=0.2)
    client.submit(folder)
    until(lambda: client.poll() is not None and client.state(folder).finished == 2)
    os.kill(owner(folder), signal.SIGKILL)
    events_until(client, folder)
    assert client.state(folder).state == "failed"
    client.submit(folder)
    reused = [event.reused for event in events_until(client, folder)[folder] if isinstance(event, FrameDone)]
    assert len(reused) == 5 and reused[:2] == [True, True] and not all(reused)


def test_killed_at_rest_it_is_started_for_the_next_job(client, tmp_path):
    first, second = make(tmp_path / "first"), make(tmp_path / "second")
    client.submit(first)
    events_until(client, first)
    os.kill(owner(first), signal.SIGKILL)
    client.submit(second)
    assert isinstance(events_until(client, second)[second][-1], Done)


@pytest.mark.parametrize(("heavy", "ends"), [(0.0, True), (1e12, False)])
def test_after_a_long_rest_a_heavy_process_makes_room(tmp_path, heavy, ends):
    """And the next job gets a new one."""
    python = tmp_path / "python"
    python.write_text(
        textwrap.dedent(f"""\
        #!{sys.executable}
        import sys
        from engine import __main__
        from engine.worker import serve
        serve.REST, serve.HEAVY = 0.3, {heavy}
        sys.exit(__main__.main(sys.argv[3:]))
        """)
    )
    python.chmod(0o755)
    engine = EngineClient(python, tmp_path / "log", [MODELS])
    first, second = make(tmp_path / "first"), make(tmp_path / "second")
    engine.submit(first)
    events_until(engine, first)
    process = psutil.Process(owner(first))
    if ends:
        process.wait(10)
    else:
        with pytest.raises(psutil.TimeoutExpired):
            process.wait(1.5)
    engine.submit(second)
    assert isinstance(events_until(engine, second)[second][-1], Done)
    engine.close()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_paths(tmp_path, name):
    engine = EngineClient(PYTHON, tmp_path / name / "log", [MODELS])
    folder = make(tmp_path / name / "job")
    engine.submit(folder)
    assert isinstance(events_until(engine, folder)[folder][-1], Done)
    engine.close()


def test_a_job_folder_that_is_gone(client, tmp_path):
    folder = tmp_path / "nothing"
    client.submit(folder)
    assert well_formed(events_until(client, folder)[folder])
    assert client.state(folder).kind == "bad_input"


# --- starting and ending ------------------------------------------------------------------------------------------


def test_a_missing_python_is_reported_at_once(tmp_path):
    engine = EngineClient(tmp_path / "bin/python", tmp_path / "log")
    with pytest.raises(EngineMissing, match="bin/python"):
        engine.submit(make(tmp_path / "job"))
    assert engine.jobs == () and not engine.busy


def test_a_python_that_refuses_says_why(tmp_path):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "Shiage\'s engine needs Python 3.11 or newer" >&2\nexit 3\n')
    python.chmod(0o755)
    engine = EngineClient(python, tmp_path / "log")
    folders = [make(tmp_path / name) for name in "ab"]
    for folder in folders:
        engine.submit(folder)
    events = events_until(engine, *folders)
    for folder in folders:
        assert well_formed(events[folder])
        assert engine.state(folder).kind == "engine_missing" and "needs Python 3.11" in engine.state(folder).text


def test_a_program_that_never_answers_is_given_up(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 1000\n")
    python.chmod(0o755)
    engine = EngineClient(python, tmp_path / "log", silence=1.0)
    folder = make(tmp_path / "job")
    engine.submit(folder)
    events_until(engine, folder)
    assert engine.state(folder).kind == "engine_missing" and str(tmp_path / "log") in engine.state(folder).text


def test_a_log_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    engine = EngineClient(PYTHON, tmp_path / "file/log")
    with pytest.raises(Exception, match="can't be started"):
        engine.start()


def test_strangers_on_the_port_are_turned_away(client, tmp_path):
    client.start()
    (port,) = [c.laddr.port for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    sayings = [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x00\xff" * 4000, b"0" * 64 + b"\n", b'{"type": "hello"}\n', b"x" * (3 << 20)]
    strangers = [socket.create_connection(("127.0.0.1", port)) for _ in sayings]
    for stranger, saying in zip(strangers, sayings, strict=True):
        stranger.setblocking(False)
        try:
            stranger.send(saying)
        except OSError:
            pass
    folder = make(tmp_path / "job")
    client.submit(folder)
    assert isinstance(events_until(client, folder)[folder][-1], Done)
    for stranger in strangers:
        stranger.setblocking(True)
        try:
            assert stranger.recv(1) == b""
        except ConnectionResetError:
            pass
        stranger.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port))


def test_a_worker_that_talks_nonsense_fails_the_job(tmp_path):
    python = tmp_path / "python"
    python.write_text(
        textwrap.dedent(f"""\
        #!{sys.executable}
        import json, socket, sys, time
        first = json.loads(sys.stdin.readline())
        link = socket.create_connection(("127.0.0.1", first["port"]))
        link.sendall(first["token"].encode() + b"\\n" + b'{{"type": "hello", "version": "", "python": "", "pid": 1}}\\n')
        link.recv(100)
        link.sendall(b"Segmentation fault\\n")
        time.sleep(1000)
        """)
    )
    python.chmod(0o755)
    engine = EngineClient(python, tmp_path / "log")
    folder = make(tmp_path / "job")
    engine.submit(folder)
    assert well_formed(events_until(engine, folder)[folder])
    assert engine.state(folder).kind == "job_failed"


def test_close_ends_the_process_and_cancels_what_there_is(client, tmp_path):
    running, queued = make(tmp_path / "running", pause=1000.0), make(tmp_path / "queued")
    client.submit(running)
    client.submit(queued)
    until(lambda: client.poll() is not None and client.state(running).state == "running")
    pid = owner(running)
    client.close()
    assert not alive(pid)
    assert {client.state(folder).state for folder in (running, queued)} == {"cancelled"}
    last = dict(client.poll())
    assert all(isinstance(event, Cancelled) for event in last.values()) and len(last) == 2
    client.submit(queued)
    assert isinstance(events_until(client, queued)[queued][-1], Done)


_PARENT = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background of a shell
sys.path[:0] = [{root!r}, {tests!r}]
from tiny_jobs import MODELS
from engine.host.client import EngineClient
if __name__ == "__main__":
    engine = EngineClient(Path(sys.executable), Path({log!r}), [MODELS])
    engine.submit(Path({job!r}))
    {then}
"""


def parent(tmp_path: Path, then: str) -> tuple[subprocess.Popen, Path]:
    """A process that has an engine at work on a long job."""
    folder = make(tmp_path / "job", 3, pause=1000.0)
    script = _PARENT.format(root=str(ROOT), tests=str(ROOT / "tests/engine"), log=str(tmp_path / "log"), job=str(folder), then=then)
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True), folder


def test_the_process_ends_when_its_parent_is_killed(tmp_path):
    process, folder = parent(tmp_path, "while True: engine.poll(); time.sleep(0.05)")
    pid = owner(folder)
    process.kill()
    process.communicate()
    until(lambda: not alive(pid))


def test_a_deaf_process_ends_too_when_its_parent_is_killed(tmp_path, monkeypatch):
    process, folder = parent(tmp_path, "while True: engine.poll(); time.sleep(0.05)")
    make(folder, act="deaf")
    pid = owner(folder)
    process.kill()
    process.communicate()
    until(lambda: not alive(pid))


def test_ctrl_c_cancels_the_job_that_is_waited_for(tmp_path):
    process, folder = parent(tmp_path, f"print(engine.wait(Path({str(tmp_path / 'job')!r})).state)")
    owner(folder)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (out.strip(), process.returncode) == ("cancelled", 0)


def test_the_engine_takes_nothing_of_its_surroundings(tmp_path, monkeypatch):
    """Neither Blender's PYTHON* variables, nor modules that lie in the working folder, nor the extension's own folder written to."""
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (hostile / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.setenv("PYTHONHOME", str(hostile))
    monkeypatch.setenv("PYTHONSTARTUP", str(hostile / "json.py"))
    monkeypatch.setenv("PYTHONPATH", str(hostile))
    monkeypatch.chdir(hostile)
    log = tmp_path / "log"
    log.mkdir()
    (log / "json.py").write_text("raise SystemExit('the wrong json')")
    engine = EngineClient(PYTHON, log, [MODELS])
    folder = make(tmp_path / "job")
    engine.submit(folder)
    assert isinstance(events_until(engine, folder)[folder][-1], Done), (log / LOG_NAME).read_text()
    engine.close()
    assert any((log / "pycache").rglob("serve*.pyc"))


def test_no_folder_of_the_extension_hides_a_module_of_python():
    names = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path.is_dir() and not path.name.startswith("."))}
    assert not names & sys.stdlib_module_names


def test_wait_hands_over_the_events_of_its_job(client, tmp_path):
    first, second = make(tmp_path / "first"), make(tmp_path / "second")
    client.submit(first)
    client.submit(second)
    events = []
    state = client.wait(second, events.append)
    assert state.state == "done" and well_formed(events) and events[0] == Started(str(second), "tiny", 4)
    assert not isinstance(events[-1], Failed)


def test_a_pause_of_the_caller_is_no_silence_of_the_engine(tmp_path):
    """Blender may render for minutes between two polls."""
    engine = EngineClient(PYTHON, tmp_path / "log", [MODELS], silence=2.0)
    folder = make(tmp_path / "job", 3, pause=1.5)
    engine.submit(folder)
    until(lambda: engine.poll() is not None and engine.state(folder).state == "running")
    time.sleep(4)
    assert isinstance(events_until(engine, folder)[folder][-1], Done)
    engine.close()
