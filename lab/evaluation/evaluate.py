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
from .answers import PaintedDrawing, get_threshold, make_solver, paint_task, write_task_job
from .autofill import autofill_drawings
from .baselines import choose_references, copy_references, fill_by_majority, warp_references
from .clicks import count_clicks
from .gaps import ClosingScores, measure_closing
from .metrics import PaintAccuracy, average_known, count_flicker, encode_colors, find_majority, measure_accuracy, measure_purity
from .mistakes import SIZES, PaintComparison, classify_sizes
from .open_lines import KINDS, OpenLineScores, average_open_lines, measure_open_lines
from .pictures import PaintedExample, draw_example
from .shots import EvaluationShot
from .tasks import PaintTask, list_tasks


@dataclass(frozen=True)
class EvaluationSettings:
    """How much is measured.

    size       px of toon worlds
    shots      of each family, of `drawings` drawings; and `pairs` of two
    neighbors  pairs of consecutive drawings taken from a shot
    corrected  shots of each family that are corrected click by click, all drawings solved again after each
    damaged    single drawings to close the gaps of
    opened     drawings of each family to paint for each kind of open lines
    demo       drawings of the demo shot
    """

    size: int
    shots: int
    drawings: int
    pairs: int
    neighbors: int
    corrected: int
    damaged: int
    opened: int
    demo: int


FULL = EvaluationSettings(size=512, shots=4, drawings=20, pairs=16, neighbors=3, corrected=1, damaged=40, opened=8, demo=12)
QUICK = EvaluationSettings(size=256, shots=1, drawings=4, pairs=1, neighbors=1, corrected=1, damaged=2, opened=1, demo=0)


@dataclass
class PaintTally:
    """What was found of one method at one scenario on one group of shots, drawing by drawing."""

    accuracy: list[PaintAccuracy] = field(default_factory=list)
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
    films: list[dict[str, float]] = field(default_factory=list)  # of a painted shot, see `film.FilmScores`


@dataclass(frozen=True)
class RunCost:
    """Of one run of a model in a process of its own."""

    what: str
    seconds_per_drawing: float
    peak_megabytes: float


@dataclass
class EvaluationResults:
    """`tallies` by group, scenario and method; `closings` by family; `open_lines` by kind; `examples` by group and scenario."""

    model: str
    settings: EvaluationSettings
    tallies: dict[tuple[str, str, str], PaintTally] = field(default_factory=dict)
    closings: dict[str, ClosingScores] = field(default_factory=dict)
    open_lines: dict[str, OpenLineScores] = field(default_factory=dict)
    examples: dict[tuple[str, str], list[PaintedExample]] = field(default_factory=dict)
    cost: RunCost | None = None
    seconds: float = 0.0


def evaluate_model(
    settings: EvaluationSettings, model: str, folders: Sequence[Path], report_progress: Callable[[str], None]
) -> EvaluationResults:
    """Measure `model`. `folders` hold further clips. What is being done goes to `report_progress`. Raises BadInput, JobFailed."""
    torch.set_num_threads(1)  # drawings are small: more threads wait for each other
    began = time.monotonic()
    results = EvaluationResults(model, settings)
    clips = [clip for folder in folders for clip in shots.read_clips(folder)]
    with tempfile.TemporaryDirectory(prefix="shiage-evaluation-") as name:
        work = Path(name)
        for family in FAMILIES:
            report_progress(f"{family}: closing gaps")
            found = [measure_closing(family, seed, settings.size, work) for seed in range(settings.damaged)]
            results.closings[family] = gaps.average_closings(found)
        for kind in KINDS:
            report_progress(f"open lines: {kind}")
            worlds = [(family, 3000 + seed) for family in FAMILIES for seed in range(settings.opened)]
            opened = [
                measure_open_lines(kind, *world, settings.size, work / f"open {kind}" / "-".join(map(str, world)), model)
                for world in worlds
            ]
            results.open_lines[kind] = average_open_lines(opened)
        for number, shot in enumerate(_draw_shots(settings, work)):
            report_progress(f"{shot.name}: {len(shot.frames)} drawings")
            _measure_shot(shot, settings, model, work / f"{number}", results)
            if results.cost is None and (shot.group == "demo" or not settings.demo):
                results.cost = _measure_cost(shot, work / f"{number}/cost", model)
        for number, clip in enumerate(clips):
            report_progress(f"{clip.name}: {len(clip.frames)} drawings")
            _measure_shot(clip, settings, model, work / f"clip{number}", results)
    results.seconds = time.monotonic() - began
    return results


def _draw_shots(settings: EvaluationSettings, work: Path) -> Iterator[EvaluationShot]:
    if settings.demo:
        demo = shots.draw_demo(work / "demo", settings.demo)
        if demo is not None:
            yield demo
    for family in FAMILIES:
        for seed in range(settings.shots):
            yield shots.draw_world(family, 1000 + seed, work / "world", settings.size, settings.drawings)
        for seed in range(settings.pairs):
            yield shots.draw_world(family, 2000 + seed, work / "world", settings.size, 2)


def _measure_shot(shot: EvaluationShot, settings: EvaluationSettings, model: str, work: Path, results: EvaluationResults) -> None:
    for task in list_tasks(shot, len(shot.frames) if shot.group == shot.name and shot.group != "demo" else settings.neighbors):
        folder = work / ("pair" if task.scenario == "consecutive" else "shot")
        found = dict(zip(task.frames, paint_task(task, folder, model), strict=True))
        answers = {model: [found[number] for number in task.scored_frames]}
        for name, paints in _paint_baselines(task).items():
            answers[name] = [PaintedDrawing(colors) for colors in paints]
        for name, given in answers.items():
            tally = results.tallies.setdefault((shot.group, task.scenario, name), PaintTally())
            if shot.painted:
                tally.films.append(_measure_film(task, given))
                continue
            scenes = [_compare_paint(task, number, one) for number, one in zip(task.scored_frames, given, strict=True)]
            _add_scores(tally, task, scenes, given)
            if name == model:
                if task.scenario == "first key" and shot.group in FAMILIES and len(tally.corrected) < settings.corrected * len(scenes):
                    tally.corrected += zip(count_clicks(scenes), count_clicks(scenes, make_solver(task, folder, model)), strict=True)
                order = np.argsort([score.acc for score in tally.accuracy[-len(scenes) :]])
                for at in dict.fromkeys((int(order[0]), int(order[-1]))):
                    score = tally.accuracy[len(tally.accuracy) - len(scenes) + at].acc
                    made = draw_example(task, task.scored_frames[at], given[at], scenes[at], score)
                    results.examples.setdefault((shot.group, task.scenario), []).append(made)


def _measure_film(task: PaintTask, given: Sequence[PaintedDrawing]) -> dict[str, float]:
    """The scored drawings of a painted shot, which follow each other."""
    frames = [task.get_frame(number) for number in task.scored_frames]
    colors, truth = (
        flatten_pictures(np.stack(pictures)) for pictures in ([one.colors for one in given], [frame.colors for frame in frames])
    )
    sketches = np.stack([np.where(frame.sketch.lines, 0, 255).astype(np.uint8) for frame in frames])
    found = film.compare_films(colors, truth, sketches, None if learned.explain_absence("RAFT") else learned.load_raft()).compute_means()
    if not learned.explain_absence("LPIPS"):
        found["lpips"] = float(
            learned.measure_lpips(*(np.stack([film.resize_picture(one) for one in pictures]) for pictures in (colors, truth))).mean()
        )
    return found


def _paint_baselines(task: PaintTask) -> dict[str, list[np.ndarray]]:
    """What the simple methods paint."""
    there = choose_references(task)
    found = {"copy": copy_references(there), "flow": warp_references(task, there)}
    if not task.shot.painted:
        found |= {"flow, regions": fill_by_majority(task, found["flow"]), "autofill": autofill_drawings(task)}
    return found


def _compare_paint(task: PaintTask, number: int, given: PaintedDrawing) -> PaintComparison:
    frame = task.get_frame(number)
    ink = frame.sketch.lines
    labels = frame.regions.labels if given.labels is None else np.where(ink, 0, given.labels)
    return PaintComparison(frame.truth, given.paint, ink, frame.areas, frame.adjacent_areas, labels)


def _add_scores(tally: PaintTally, task: PaintTask, scenes: Sequence[PaintComparison], given: Sequence[PaintedDrawing]) -> None:
    palette = np.unique(np.concatenate([_collect_palette(task, reference.frame, reference.pixels) for reference in task.references]))
    for scene, one in zip(scenes, given, strict=True):
        tally.accuracy.append(measure_accuracy(scene.truth, scene.paint, scene.regions, scene.ink))
        tally.purity.append(measure_purity(scene.paint, palette, scene.ink))
        area, right, names = mistakes.classify_mistakes(scene, palette, task.shot.materials)
        tally.kinds.update(name for name in names if name)
        for name, pixels in zip(names, area.tolist(), strict=True):
            if name:
                tally.wrong_area[name] += pixels
        tally.possible.append(1 - names.count("lost") / max(1, len(names)))
        sizes = classify_sizes(area, scene.truth.size / 512**2)
        tally.of_size += [np.bincount(sizes, right, len(SIZES) + 1), np.bincount(sizes, minlength=len(SIZES) + 1)]
        if one.confidence is not None:
            wanted, _, pixels = find_majority(scene.labels, scene.truth)
            painted, _, _ = find_majority(scene.labels, scene.paint)
            rows = np.flatnonzero(pixels[1:] > 0) + 1
            tally.confidence.append(one.confidence[rows])
            tally.right.append((wanted == painted)[rows])
    tally.clicks += count_clicks(scenes)
    if len(scenes) > 1:
        changed, followed = count_flicker([s.truth for s in scenes], [s.paint for s in scenes], [s.regions for s in scenes])
        tally.changed += changed
        tally.followed += followed


def _collect_palette(task: PaintTask, frame: int | None, pixels: np.ndarray) -> np.ndarray:
    """The codes that a reference has: of its true paint where it is a frame of the shot, else of pixels enough to be no blend of ink."""
    if frame is not None:
        return np.unique(task.get_frame(frame).truth[~task.get_frame(frame).sketch.lines])
    kinds, counts = np.unique(encode_colors(pixels), return_counts=True)
    return kinds[counts >= 12]


def _measure_cost(shot: EvaluationShot, folder: Path, model: str) -> RunCost:
    """Paint a shot from its first drawing in a process of its own, as from the shell. Raises JobFailed."""
    task = next(task for task in list_tasks(shot, 0) if task.scenario in ("first key", "sheet"))
    write_task_job(task, folder, model)
    command = [sys.executable, "-m", "engine", "run", str(folder)]
    began = time.perf_counter()
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    peak = 0.0
    while child.poll() is None:
        peak = max(peak, _read_peak_memory(child.pid))
        time.sleep(0.02)
    if child.returncode:
        raise JobFailed(f"The model '{model}' failed at {shot.name} in a process of its own: run it there to see why.")
    seconds = (time.perf_counter() - began) / len(task.frames)
    width, height = task.get_frame(task.frames[0]).size
    return RunCost(f"{shot.name}, {len(task.frames)} drawings at {width} x {height} px", seconds, peak)


def _read_peak_memory(process: int) -> float:
    """The most memory that a process has had, in MB; 0 where the system doesn't tell."""
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def summarize_results(results: EvaluationResults) -> dict:
    """All numbers, ready for JSON: shares in percent."""
    from .metrics import average_accuracies, measure_calibration

    def convert_percent(value: float) -> float | None:
        return None if np.isnan(value) else round(100 * float(value), 2)

    table: dict = {"model": results.model, "settings": vars(results.settings), "seconds": round(results.seconds, 1), "scores": []}
    for (group, scenario, method), tally in results.tallies.items():
        row: dict = {"group": group, "scenario": scenario, "method": method}
        if tally.films:
            means = {name: average_known([one[name] for one in tally.films]) for name in tally.films[0]}
            row |= {name: None if np.isnan(value) else round(value, 4) for name, value in means.items()}
            table["scores"].append(row)
            continue
        row["drawings"] = len(tally.accuracy)
        row |= {name: convert_percent(value) for name, value in vars(average_accuracies(tally.accuracy)).items()}
        row |= {
            "clicks": round(float(np.mean(tally.clicks)), 2),
            "flicker": convert_percent(tally.changed / tally.followed) if tally.followed else None,
            "purity": convert_percent(average_known(tally.purity)),
            "possible": convert_percent(average_known(tally.possible)),
            "kinds": dict(tally.kinds),
            "wrong_area": dict(tally.wrong_area),
            "right_of_size": tally.of_size[0].astype(int).tolist(),
            "all_of_size": tally.of_size[1].astype(int).tolist(),
        }
        if tally.corrected:
            row["corrected"] = dict(zip(("alone", "solved_again"), np.mean(tally.corrected, axis=0).round(2).tolist(), strict=True))
        if tally.confidence:
            found = measure_calibration(np.concatenate(tally.confidence), np.concatenate(tally.right), get_threshold(results.model))
            row["trust"] = {name: convert_percent(value) for name, value in vars(found).items()}
        table["scores"].append(row)
    table["closings"] = {
        family: {name: convert_percent(value) for name, value in vars(one).items()} for family, one in results.closings.items()
    }
    table["open_lines"] = {
        kind: {name: convert_percent(value) for name, value in vars(one).items()} for kind, one in results.open_lines.items()
    }
    table["cost"] = None if results.cost is None else vars(results.cost)
    return table
