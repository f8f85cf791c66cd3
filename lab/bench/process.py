"""How soon the engine answers, what it holds at rest, what a poll costs Blender. Prints JSON: medians in ms and MB.

.venv/engine/bin/python -m lab.bench.process
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from engine.cli.colorize_job import build_colorize_job  # noqa: E402
from engine.host.client import EngineClient  # noqa: E402
from engine.job.messages import Started  # noqa: E402


def write_job(folder: Path, count: int, size: tuple[int, int] = (1920, 1080)) -> Path:
    """A job of so many drawings of 48 boxes, for the default model."""
    (folder / "in").mkdir(parents=True)
    for index in range(-1, count):
        picture = Image.new("RGBA", size)
        draw = ImageDraw.Draw(picture)
        for box in range(48):
            x, y = box % 8 * 230 + 40 + 3 * index, box // 8 * 170 + 40
            draw.rectangle((x, y, x + 180, y + 130), (box * 5, 255 - box * 5, box * 37 % 256, 255) if index < 0 else None, "black", 4)
        picture.save(folder / ("reference.png" if index < 0 else f"in/{index:03d}.png"))
    build_colorize_job(folder / "in", [folder / "reference.png"], folder / "job", "flats")
    return folder / "job"


def time_first_event(engine: EngineClient, job: Path) -> float:
    """Seconds from asking to the first event of a job, polled every 5 ms; the job is cancelled then."""
    start = time.perf_counter()
    engine.submit(job)
    while not any(isinstance(event, Started) for _, event in engine.poll()):
        time.sleep(0.005)
    taken = time.perf_counter() - start
    engine.cancel(job)
    engine.wait(job)
    return taken


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python, log = Path(sys.executable), folder / "log"
        small = write_job(folder / "small", 1, (480, 270))
        cold, cancels, polls, rests = [], [], [], []
        for _ in range(5):
            engine = EngineClient(python, log)
            cold.append(time_first_event(engine, small))
            engine.close()

        engine = EngineClient(python, log)
        time_first_event(engine, small)
        worker = psutil.Process(int((small / "lock").read_text()))
        rests.append(worker.memory_info().rss)
        warm = [time_first_event(engine, small) for _ in range(20)]

        large = write_job(folder / "large", 8)
        engine.submit(large)
        while not engine.state(large).ended:
            start = time.perf_counter()
            engine.poll()
            polls.append(time.perf_counter() - start)
            time.sleep(0.05)
        time.sleep(1)
        rests.append(worker.memory_info().rss)
        peak = max(polls)

        for _ in range(5):
            Path(large / "frames/0000.png").unlink(missing_ok=True)
            Path(large / "frames/0004.png").unlink(missing_ok=True)
            engine.submit(large)
            while engine.state(large).fraction == 0 and not engine.state(large).ended:
                engine.poll()
                time.sleep(0.005)
            start = time.perf_counter()
            engine.cancel(large)
            engine.wait(large)
            cancels.append(time.perf_counter() - start)
        engine.close()
    numbers = {
        "first event, cold, ms": statistics.median(cold) * 1e3,
        "first event, warm, ms": statistics.median(warm) * 1e3,
        "poll while a job runs, 95 %, ms": statistics.quantiles(polls, n=20)[-1] * 1e3,
        "poll while a job runs, longest, ms": peak * 1e3,
        "cancel a running job, ms": statistics.median(cancels) * 1e3,
        "at rest before the first job, MB": rests[0] / 1e6,
        "at rest, in the two minutes after a job at 1920x1080, MB": rests[1] / 1e6,
    }
    print(json.dumps({key: round(value, 2) for key, value in numbers.items()}, indent=1))


if __name__ == "__main__":
    main()
