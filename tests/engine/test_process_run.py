"""One job folder, from the request to exactly one terminal event."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from tiny_jobs import MODELS, ODD_NAMES, engine, exists, journal, make, owner, result, until, well_formed

from engine import job as jobs
from engine import models
from engine.job.lock import lock_folder
from engine.job.messages import TERMINAL, Cancelled, Done, Failed, FrameDone, Progress, Started, Warned, decode_message
from engine.worker.run import execute_job


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(MODELS)])


def run_job(folder: Path, should_cancel=lambda: False) -> list:
    events = []
    end = execute_job(folder, events.append, should_cancel)
    assert events[-1] == end
    assert well_formed(events)
    return events


def test_tells_every_picture_and_writes_the_result(tmp_path):
    folder = make(tmp_path / "job", 3)
    events = run_job(folder)
    assert journal(folder) == events
    assert events[0] == Started(str(folder), "tiny", 3)
    assert [event.file for event in events if isinstance(event, FrameDone)] == [f"frames/000{i}.png" for i in range(3)]
    assert isinstance(events[-1], Done)
    outcome = result(folder)
    assert (outcome["status"], outcome["kind"], outcome["model"]) == ("done", "", "tiny")
    assert outcome["frames"] == [[i, 1, f"frames/000{i}.png"] for i in range(3)]
    assert [picture["unknown"] for picture in outcome["pictures"]] == [1, 1, 1]


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_folder_is_free_once_the_end_is_reported(tmp_path, cancelled):
    folder = make(tmp_path / "job", 2)
    ends = []

    def record_end(event) -> None:
        if isinstance(event, TERMINAL):
            with lock_folder(folder):
                ends.append(event)

    assert execute_job(folder, record_end, lambda: cancelled) == ends[0] and len(ends) == 1


def test_progress_never_falls_and_the_time_left_becomes_known(tmp_path):
    progress = [event for event in run_job(make(tmp_path, 5, pause=0.05, act="fall back", at=3)) if isinstance(event, Progress)]
    fractions = [event.fraction for event in progress]
    assert fractions == sorted(fractions)
    assert "Again" in [event.stage for event in progress]
    assert progress[-1].fraction == 1.0
    assert all(event.remaining >= 0 for event in progress if event.fraction > 0.1)


def test_a_second_run_makes_only_what_is_missing(tmp_path):
    run_job(make(tmp_path, 4))
    (tmp_path / "frames/0002.png").unlink()
    reused = {event.frame: event.reused for event in run_job(tmp_path) if isinstance(event, FrameDone)}
    assert reused == {0: True, 1: True, 2: False, 3: True}


@pytest.mark.parametrize(
    ("act", "kind", "words"),
    [
        ("raise", "job_failed", "ZeroDivisionError: by zero"),
        ("raise in lines", "job_failed", "RuntimeError: first line)"),
        ("bad input", "bad_input", "The reference is empty: choose another picture."),
        ("memory", "job_failed", "smaller size"),
        ("exit", "job_failed", "SystemExit"),
        ("import", "engine_missing", "no_such_module"),
        ("fill disk", "job_failed", "No space left"),
        ("leave one out", "job_failed", "frames/0002.png"),
    ],
)
def test_whatever_a_model_does_ends_in_one_sentence(tmp_path, act, kind, words):
    folder = make(tmp_path / "job", 4, act=act, at=2)
    end = run_job(folder)[-1]
    assert isinstance(end, Failed) and end.kind == kind and words in end.text and "\n" not in end.text
    outcome = result(folder)
    assert (outcome["status"], outcome["kind"], outcome["text"]) == ("failed", kind, end.text)
    assert [picture["frame"] for picture in outcome["pictures"]][:2] == [0, 1]
    assert "Traceback" in (folder / jobs.LOG_FILE).read_text()


def test_a_full_disk_still_tells_the_failure(tmp_path):
    folder = make(tmp_path / "job", 4, act="limit files", at=2)
    process = engine("run", "--json", "--models", MODELS, folder)
    out, err = process.communicate(timeout=60)
    events = [decode_message(line) for line in out.splitlines()]
    assert process.returncode == 4, err
    assert well_formed(events)
    assert isinstance(events[-1], Failed) and "File too large" in events[-1].text
    assert not list(folder.glob("**/*.part"))
    assert isinstance(run_job(make(folder, 4))[-1], Done)


def test_too_small_a_disk_is_reported_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.worker.run.SPARE", 1 << 60)
    end = run_job(make(tmp_path))[-1]
    assert isinstance(end, Failed) and "free some space" in end.text
    assert not (tmp_path / "frames").exists()


@pytest.mark.parametrize("name", ["lock", jobs.LOG_FILE, jobs.EVENTS_FILE])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, name):
    folder = make(tmp_path / "job")
    (folder / name).mkdir()
    end = run_job(folder)[-1]
    assert isinstance(end, Failed) and end.kind == "job_failed" and str(folder) in end.text


INSIDE = ("frames", "strokes", "sketches", "poses", "reference", "regions", "cache")


@pytest.mark.parametrize("name", [*INSIDE, "lock", "events.jsonl", "engine.log", "result.json", "cancel", "job.json", "frames/0001.png"])
def test_a_link_in_a_job_folder_is_not_followed(tmp_path, name):
    """A stranger's job folder could delete or overwrite files of the user who runs it."""
    folder, home = make(tmp_path / "job"), tmp_path / "home"
    (home / "sub").mkdir(parents=True)
    for path in (home / "thesis.txt", home / "sub/more.npz"):
        path.write_text("mine")
    target = home if name in INSIDE else home / "thesis.txt"
    if name == "job.json":
        shutil.move(folder / name, target)
    text = (home / "thesis.txt").read_text()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(target)
    end = run_job(folder)[-1]
    assert isinstance(end, Failed) and end.kind == "bad_input" and name in end.text
    assert (home / "thesis.txt").read_text() == text and (home / "sub/more.npz").read_text() == "mine"
    assert not (folder / "lock").is_file() or name == "lock"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["sketches/0.png", "events.jsonl", "engine.log", "lock", "frames/0000.png"])
def test_a_pipe_in_a_job_folder_is_not_waited_for(tmp_path, name):
    folder = make(tmp_path)
    (folder / name).parent.mkdir(exist_ok=True)
    os.mkfifo(folder / name)
    _, err = engine("run", "--models", MODELS, folder).communicate(timeout=60)
    assert name in err


def test_a_job_folder_may_lie_behind_a_link_and_have_hard_links(tmp_path):
    folder = make(tmp_path / "job")
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    assert isinstance(run_job(tmp_path / "link")[-1], Done)
    os.link(folder / "frames/0000.png", folder / "frames/held.png")
    assert isinstance(run_job(tmp_path / "link")[-1], Done)


@pytest.mark.parametrize("make_folder", [lambda f: None, lambda f: f.mkdir(), lambda f: f.write_text("a file")])
def test_a_folder_without_a_job_is_left_alone(tmp_path, make_folder):
    folder = tmp_path / "job"
    make_folder(folder)
    end = run_job(folder)[-1]
    assert isinstance(end, Failed) and end.kind == "bad_input" and str(folder) in end.text
    assert not folder.is_dir() or not any(folder.iterdir())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "nothing"}, "flats"),
        ({"task": "animate"}, "can't animate"),
        ({"options": {"pauze": 1}}, "pause"),
        ({"options": {"pause": "long"}}, "a number"),
        ({"schema": 99}, "schema"),
        ({"device": "abacus"}, "cuda"),
    ],
)
def test_a_request_that_cannot_be_met_names_what_can(tmp_path, change, words):
    folder = make(tmp_path)
    path = folder / jobs.JOB_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    end = run_job(folder)[-1]
    assert isinstance(end, Failed) and end.kind == "bad_input" and words in end.text


def test_a_device_the_model_has_no_use_for_is_a_warning(tmp_path):
    events = run_job(make(tmp_path, device="cuda"))
    assert isinstance(events[-1], Done)
    assert any(isinstance(event, Warned) and "cuda" in event.text for event in events)


def test_warnings_of_the_model_are_kept(tmp_path):
    events = run_job(make(tmp_path, act="warn", at=1))
    assert Warned(str(tmp_path), "Look at frame 1.", 1) in events
    assert result(tmp_path)["warnings"] == ["Look at frame 1."]


# --- cancelling ---------------------------------------------------------------------------------------------------


def test_cancelled_before_the_first_picture(tmp_path):
    assert isinstance(run_job(make(tmp_path), lambda: True)[-1], Cancelled)
    assert not exists(tmp_path, 0)


def test_cancelled_in_a_picture_keeps_those_before(tmp_path):
    events = run_job(make(tmp_path, 4, pause=0.1), lambda: exists(tmp_path, 1))
    assert isinstance(events[-1], Cancelled)
    assert [exists(tmp_path, i) for i in range(4)] == [True, True, False, False]
    assert [picture["frame"] for picture in result(tmp_path)["pictures"]] == [0, 1]
    assert result(tmp_path)["status"] == "cancelled"


def test_cancelled_after_the_last_picture_is_done(tmp_path):
    assert isinstance(run_job(make(tmp_path, 3), lambda: exists(tmp_path, 2))[-1], Done)


def test_a_cancel_file_cancels_once(tmp_path):
    make(tmp_path)
    (tmp_path / jobs.CANCEL_FILE).touch()
    assert isinstance(run_job(tmp_path)[-1], Cancelled)
    assert isinstance(run_job(tmp_path)[-1], Done)


def test_a_cancel_file_stops_a_running_job(tmp_path):
    make(tmp_path, 3, pause=1000.0)
    process = engine("run", "--models", MODELS, tmp_path)
    owner(tmp_path)
    (tmp_path / jobs.CANCEL_FILE).touch()
    assert process.wait(60) == 130
    process.communicate()
    assert isinstance(journal(tmp_path)[-1], Cancelled)


# --- processes ----------------------------------------------------------------------------------------------------


def test_killed_in_the_middle_it_goes_on_at_the_first_missing_picture(tmp_path):
    make(tmp_path, 6, pause=0.1)
    process = engine("run", "--models", MODELS, tmp_path)
    until(lambda: exists(tmp_path, 2))
    process.kill()
    process.communicate()
    assert jobs.read_result(tmp_path) is None
    reused = [event.reused for event in run_job(tmp_path) if isinstance(event, FrameDone)]
    assert reused[:3] == [True, True, True] and reused[-1] is False


def test_one_process_at_a_time(tmp_path):
    make(tmp_path, 3, pause=1000.0)
    first = engine("run", "--models", MODELS, tmp_path)
    pid = owner(tmp_path)
    until(lambda: (tmp_path / jobs.EVENTS_FILE).exists() and len(journal(tmp_path)) == 2)
    end = run_job(tmp_path)[-1]
    assert isinstance(end, Failed) and end.kind == "bad_input" and str(pid) in end.text
    assert len(journal(tmp_path)) == 2, "the events are those of the process that works on it"
    assert jobs.read_result(tmp_path) is None
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert isinstance(run_job(make(tmp_path, 3))[-1], Done), "a lock ends with its process"


def test_a_folder_removed_meanwhile_fails_the_job(tmp_path):
    folder = make(tmp_path / "job", 4, pause=1000.0)
    process = engine("run", "--json", "--models", MODELS, folder)
    until(lambda: (folder / jobs.EVENTS_FILE).exists() and len(journal(folder)) == 2)
    shutil.rmtree(folder)
    out, _ = process.communicate(timeout=60)
    end = decode_message(out.splitlines()[-1])
    assert isinstance(end, Failed) and "removed" in end.text
    assert process.returncode == 4
    assert not folder.exists()


def test_stray_prints_go_to_the_log(tmp_path):
    make(tmp_path, act="print", at=1)
    process = engine("run", "--json", "--models", MODELS, tmp_path)
    out, err = process.communicate(timeout=60)
    events = [decode_message(line) for line in out.splitlines()]
    assert well_formed(events) and isinstance(events[-1], Done)
    assert err == ""
    log = (tmp_path / jobs.LOG_FILE).read_text()
    for words in ('{"type": "done", "job": "x"}', "a library said this", "a C library said this", "a child said this"):
        assert words in log


def test_the_log_of_a_folder_that_is_run_again_and_again_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.worker.run.LOG_BYTES", 2000)
    make(tmp_path, 2, act="raise", at=1)
    (tmp_path / jobs.LOG_FILE).write_text("an old run\n" * 1000)
    sizes = []
    for _ in range(6):
        run_job(tmp_path)
        log = (tmp_path / jobs.LOG_FILE).read_text()
        assert "ZeroDivisionError" in log and "an old run" not in log
        sizes.append(len(log))
    assert max(sizes) < 2000 + sizes[0] and sizes[1] > sizes[0]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_paths(tmp_path, name):
    folder = make(tmp_path / name, 2)
    assert isinstance(run_job(folder)[-1], Done)
    assert result(folder)["frames"] == [[0, 1, "frames/0000.png"], [1, 1, "frames/0001.png"]]


def test_prints_come_back_to_the_terminal_after_the_job(tmp_path, capfd):
    run_job(make(tmp_path, act="print", at=0))
    os.write(1, b"after\n")
    out = capfd.readouterr().out
    assert "after\n" in out and "C library" not in out and "a child" not in out
