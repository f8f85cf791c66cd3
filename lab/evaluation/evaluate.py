"""One evaluation: every task of every shot, by the model and by the simple methods."""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from engine.job.errors import JobFailed

from ..diffusion.clips import flatten_pictures
from ..synthesis import FAMILIES
from . import film, gaps, learned, mistakes, shots
from .answers import Answer, answer, prepare, solver, threshold
from .autofill import autofill
from .baselines import by_majority, copy, flow, sources
from .clicks import clicks
from .gaps import Closing, closing
from .metrics import Accuracy, accuracy, codes, flicker, majority, nanmean, purity
from .mistakes import SIZES, Scene, size_class
from .pictures import Example, example
from .shots import Shot
from .tasks import Task, tasks


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    size       px of toon worlds
    shots      of each family, of `drawings` drawings; and `pairs` of two
    neighbors  pairs of consecutive drawings taken from a shot
    corrected  shots of each family that are corrected click by click, all drawings solved again after each
    damaged    single drawings to close the gaps of
    demo       drawings of the demo shot
    """

    size: int
    shots: int
    drawings: int
    pairs: int
    neighbors: int
    corrected: int
    damaged: int
    demo: int


FULL = Settings(size=512, shots=4, drawings=20, pairs=16, neighbors=3, corrected=1, damaged=40, demo=12)
QUICK = Settings(size=256, shots=1, drawings=4, pairs=1, neighbors=1, corrected=1, damaged=2, demo=0)


@dataclass
class Tally:
    """What was found of one method at one scenario on one group of shots, drawing by drawing."""

    accuracy: list[Accuracy] = field(default_factory=list)
    purity: list[float] = field(default_factory=list)
    possible: list[float] = field(default_factory=list)  # share of the true regions whose color a reference has
    clicks: list[int] = field(default_factory=list)
    corrected: list[tuple[int, int]] = field(default_factory=list)  # clicks without and with solving again
    changed: int = 0
    followed: int = 0
    confidence: list[np.ndarray] = field(default_factory=list)  # of the engine's regions
    right: list[np.ndarray] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    wrong_area: Counter[str] = field(default_factory=Counter)
    of_size: np.ndarray = field(default_factory=lambda: np.zeros((2, len(SIZES) + 1)))  # right, all
    films: list[dict[str, float]] = field(default_factory=list)  # of a painted shot, see `film.Scores`


@dataclass(frozen=True)
class Cost:
    """Of one run of a model in a process of its own."""

    what: str
    seconds_per_drawing: float
    peak_megabytes: float


@dataclass
class Results:
    """`tallies` by group, scenario and method; `closings` by family; `examples` by group and scenario."""

    model: str
    settings: Settings
    tallies: dict[tuple[str, str, str], Tally] = field(default_factory=dict)
    closings: dict[str, Closing] = field(default_factory=dict)
    examples: dict[tuple[str, str], list[Example]] = field(default_factory=dict)
    cost: Cost | None = None
    seconds: float = 0.0


def evaluate(settings: Settings, model: str, folders: Sequence[Path], say: Callable[[str], None]) -> Results:
    """Measure `model`. `folders` hold further clips. What is being done is told to `say`. Raises BadInput, JobFailed."""
    torch.set_num_threads(1)  # drawings are small: more threads wait for each other
    began = time.monotonic()
    results = Results(model, settings)
    clips = [clip for folder in folders for clip in shots.clips(folder)]
    with tempfile.TemporaryDirectory(prefix="shiage-evaluation-") as name:
        work = Path(name)
        for family in FAMILIES:
            say(f"{family}: closing gaps")
            found = [closing(family, seed, settings.size, work) for seed in range(settings.damaged)]
            results.closings[family] = gaps.average(found)
        for number, shot in enumerate(_shots(settings, work)):
            say(f"{shot.name}: {len(shot.frames)} drawings")
            _measure(shot, settings, model, work / f"{number}", results)
            if results.cost is None and (shot.group == "demo" or not settings.demo):
                results.cost = _cost(shot, work / f"{number}/cost", model)
        for number, clip in enumerate(clips):
            say(f"{clip.name}: {len(clip.frames)} drawings")
            _measure(clip, settings, model, work / f"clip{number}", results)
    results.seconds = time.monotonic() - began
    return results


def _shots(settings: Settings, work: Path) -> Iterator[Shot]:
    if settings.demo:
        demo = shots.demo(work / "demo", settings.demo)
        if demo is not None:
            yield demo
    for family in FAMILIES:
        for seed in range(settings.shots):
            yield shots.world(family, 1000 + seed, work / "world", settings.size, settings.drawings)
        for seed in range(settings.pairs):
            yield shots.world(family, 2000 + seed, work / "world", settings.size, 2)


def _measure(shot: Shot, settings: Settings, model: str, work: Path, results: Results) -> None:
    for task in tasks(shot, len(shot.frames) if shot.group == shot.name and shot.group != "demo" else settings.neighbors):
        folder = work / ("pair" if task.scenario == "consecutive" else "shot")
        found = dict(zip(task.frames, answer(task, folder, model), strict=True))
        answers = {model: [found[number] for number in task.scored]}
        for name, paints in _simple(task).items():
            answers[name] = [Answer(colors) for colors in paints]
        for name, given in answers.items():
            tally = results.tallies.setdefault((shot.group, task.scenario, name), Tally())
            if shot.painted:
                tally.films.append(_film(task, given))
                continue
            scenes = [_scene(task, number, one) for number, one in zip(task.scored, given, strict=True)]
            _add(tally, task, scenes, given)
            if name == model:
                if task.scenario == "first key" and shot.group in FAMILIES and len(tally.corrected) < settings.corrected * len(scenes):
                    tally.corrected += zip(clicks(scenes), clicks(scenes, solver(task, folder, model)), strict=True)
                order = np.argsort([score.acc for score in tally.accuracy[-len(scenes) :]])
                for at in dict.fromkeys((int(order[0]), int(order[-1]))):
                    score = tally.accuracy[len(tally.accuracy) - len(scenes) + at].acc
                    made = example(task, task.scored[at], given[at], scenes[at], score)
                    results.examples.setdefault((shot.group, task.scenario), []).append(made)


def _film(task: Task, given: Sequence[Answer]) -> dict[str, float]:
    """The scored drawings of a painted shot, which follow each other."""
    frames = [task.frame(number) for number in task.scored]
    colors, truth = (
        flatten_pictures(np.stack(pictures)) for pictures in ([one.colors for one in given], [frame.colors for frame in frames])
    )
    sketches = np.stack([np.where(frame.sketch.lines, 0, 255).astype(np.uint8) for frame in frames])
    found = film.compare(colors, truth, sketches, None if learned.absent("RAFT") else learned.raft()).means()
    if not learned.absent("LPIPS"):
        found["lpips"] = float(learned.lpips(*(np.stack([film.small(one) for one in pictures]) for pictures in (colors, truth))).mean())
    return found


def _simple(task: Task) -> dict[str, list[np.ndarray]]:
    """What the simple methods paint."""
    there = sources(task)
    found = {"copy": copy(there), "flow": flow(task, there)}
    if not task.shot.painted:
        found |= {"flow, regions": by_majority(task, found["flow"]), "autofill": autofill(task)}
    return found


def _scene(task: Task, number: int, given: Answer) -> Scene:
    frame = task.frame(number)
    ink = frame.sketch.lines
    labels = frame.regions.labels if given.labels is None else np.where(ink, 0, given.labels)
    return Scene(frame.truth, given.paint, ink, frame.areas, frame.beside, labels)


def _add(tally: Tally, task: Task, scenes: Sequence[Scene], given: Sequence[Answer]) -> None:
    palette = np.unique(np.concatenate([_palette(task, reference.frame, reference.pixels) for reference in task.references]))
    for scene, one in zip(scenes, given, strict=True):
        tally.accuracy.append(accuracy(scene.truth, scene.paint, scene.regions, scene.ink))
        tally.purity.append(purity(scene.paint, palette, scene.ink))
        area, right, names = mistakes.kinds(scene, palette, task.shot.materials)
        tally.kinds.update(name for name in names if name)
        for name, pixels in zip(names, area.tolist(), strict=True):
            if name:
                tally.wrong_area[name] += pixels
        tally.possible.append(1 - names.count("lost") / max(1, len(names)))
        sizes = size_class(area, scene.truth.size / 512**2)
        tally.of_size += [np.bincount(sizes, right, len(SIZES) + 1), np.bincount(sizes, minlength=len(SIZES) + 1)]
        if one.confidence is not None:
            wanted, _, pixels = majority(scene.labels, scene.truth)
            painted, _, _ = majority(scene.labels, scene.paint)
            rows = np.flatnonzero(pixels[1:] > 0) + 1
            tally.confidence.append(one.confidence[rows])
            tally.right.append((wanted == painted)[rows])
    tally.clicks += clicks(scenes)
    if len(scenes) > 1:
        changed, followed = flicker([s.truth for s in scenes], [s.paint for s in scenes], [s.regions for s in scenes])
        tally.changed += changed
        tally.followed += followed


def _palette(task: Task, frame: int | None, pixels: np.ndarray) -> np.ndarray:
    """The codes that a reference has: of its true paint where it is a frame of the shot, else of pixels enough to be no blend of ink."""
    if frame is not None:
        return np.unique(task.frame(frame).truth[~task.frame(frame).sketch.lines])
    kinds, counts = np.unique(codes(pixels), return_counts=True)
    return kinds[counts >= 12]


def _cost(shot: Shot, folder: Path, model: str) -> Cost:
    """Paint a shot from its first drawing in a process of its own, as from the shell. Raises JobFailed."""
    task = next(task for task in tasks(shot, 0) if task.scenario in ("first key", "sheet"))
    prepare(task, folder, model)
    command = [sys.executable, "-m", "engine", "run", str(folder)]
    began = time.perf_counter()
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    peak = 0.0
    while child.poll() is None:
        peak = max(peak, _peak(child.pid))
        time.sleep(0.02)
    if child.returncode:
        raise JobFailed(f"The model '{model}' failed at {shot.name} in a process of its own: run it there to see why.")
    seconds = (time.perf_counter() - began) / len(task.frames)
    width, height = task.frame(task.frames[0]).size
    return Cost(f"{shot.name}, {len(task.frames)} drawings at {width} x {height} px", seconds, peak)


def _peak(process: int) -> float:
    """The most memory that a process has had, in MB; 0 where the system doesn't tell."""
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def summary(results: Results) -> dict:
    """All numbers, ready for JSON: shares in percent."""
    from .metrics import mean, trust

    def percent(value: float) -> float | None:
        return None if np.isnan(value) else round(100 * float(value), 2)

    table: dict = {"model": results.model, "settings": vars(results.settings), "seconds": round(results.seconds, 1), "scores": []}
    for (group, scenario, method), tally in results.tallies.items():
        row: dict = {"group": group, "scenario": scenario, "method": method}
        if tally.films:
            means = {name: nanmean([one[name] for one in tally.films]) for name in tally.films[0]}
            row |= {name: None if np.isnan(value) else round(value, 4) for name, value in means.items()}
            table["scores"].append(row)
            continue
        row["drawings"] = len(tally.accuracy)
        row |= {name: percent(value) for name, value in vars(mean(tally.accuracy)).items()}
        row |= {
            "clicks": round(float(np.mean(tally.clicks)), 2),
            "flicker": percent(tally.changed / tally.followed) if tally.followed else None,
            "purity": percent(nanmean(tally.purity)),
            "possible": percent(nanmean(tally.possible)),
            "kinds": dict(tally.kinds),
            "wrong_area": dict(tally.wrong_area),
            "right_of_size": tally.of_size[0].astype(int).tolist(),
            "all_of_size": tally.of_size[1].astype(int).tolist(),
        }
        if tally.corrected:
            row["corrected"] = dict(zip(("alone", "solved_again"), np.mean(tally.corrected, axis=0).round(2).tolist(), strict=True))
        if tally.confidence:
            found = trust(np.concatenate(tally.confidence), np.concatenate(tally.right), threshold(results.model))
            row["trust"] = {name: percent(value) for name, value in vars(found).items()}
        table["scores"].append(row)
    table["closings"] = {family: {name: percent(value) for name, value in vars(one).items()} for family, one in results.closings.items()}
    table["cost"] = None if results.cost is None else vars(results.cost)
    return table
