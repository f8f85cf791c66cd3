"""The stages of a job: drawings to regions, references and drawings to swatches, swatches to pictures.

Every stage keeps what it made under the key of what it made it from, so that a second run computes only what a change reaches.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from ... import job as jobs
from ...drawing.colors import paint, png
from ...job import Job
from ...job.errors import Cancelled
from ...job.files import digest, write_atomic
from ...job.messages import Event, Progress, Warned
from ...pictures.cache import Cache, holds, pack
from .. import Picture, info
from . import analysis, film, hints
from .coloring import Colored, blank, listen, solve

THREADS = 2
STAGES = {"Reading drawings": 0.45, "Matching": 0.25, "Painting": 0.3}  # share of the time that each takes

T = TypeVar("T")
R = TypeVar("R")


class Flats:
    """See `engine.models.Model`."""

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        cv2.setNumThreads(1)  # the two threads below are all that this model takes
        with ThreadPoolExecutor(THREADS, thread_name_prefix="flats") as pool:
            yield from Run(job, folder, on_event, should_cancel, pool).pictures()


@dataclass
class Run:
    """One run of a job: what all stages need."""

    job: Job
    folder: Path
    on_event: Callable[[Event], None]
    should_cancel: Callable[[], bool]
    pool: ThreadPoolExecutor

    def __post_init__(self) -> None:
        self.revision = info(self.job.model).revision
        self.cache = Cache(self.folder, self.revision)
        self._began = time.monotonic()
        self._fraction = 0.0
        self._stages = list(STAGES)

    # --- helpers of the stages ---

    def warn(self, text: str, frame: int | None = None) -> None:
        self.on_event(Warned(str(self.folder), text, frame))

    def progress(self, stage: str, part: float) -> None:
        before = sum(share for name, share in STAGES.items() if self._stages.index(name) < self._stages.index(stage))
        self._fraction = fraction = max(self._fraction, min(1.0, before + STAGES[stage] * part))
        elapsed = time.monotonic() - self._began
        remaining = elapsed * (1.0 - fraction) / fraction if fraction > 0.02 else -1.0
        self.on_event(Progress(str(self.folder), stage, fraction, remaining))

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """`function` of every item on the threads, in order of completion, never more at a time than the threads can take."""
        waiting: dict[Future[R], T] = {}
        rest = iter(items)
        try:
            while True:
                if self.should_cancel():
                    raise Cancelled("The job was cancelled; finished pictures stay.")
                for item in itertools.islice(rest, 2 * THREADS - len(waiting)):
                    waiting[self.pool.submit(function, item)] = item
                if not waiting:
                    return
                done, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    yield waiting.pop(future), future.result()
        finally:
            for future in waiting:
                future.cancel()

    # --- stages ---

    def pictures(self) -> Iterator[Picture]:
        job = self.job
        order = list(dict.fromkeys(d for exposure in job.frames for d in exposure.drawings if d is not None))
        drawings = {d.id: d for d in job.drawings}
        first_frame: dict[str, int] = {}
        for exposure in job.frames:
            for d in exposure.drawings:
                if d is not None:
                    first_frame.setdefault(d, exposure.frame)
        read: dict[str, analysis.Analysis] = {}
        self.progress("Reading drawings", 0.0)
        for drawing, found in self.each(lambda d: analysis.analyze(job, drawings[d], self.folder, self.cache), order):
            read[drawing] = found
            self.progress("Reading drawings", len(read) / len(order))
            if len(found.leaks):
                self.warn(_leaks(first_frame[drawing], found.leaks), first_frame[drawing])
        cels = {number: {d: read[d] for d in order if drawings[d].cel == number} for number in {drawings[d].cel for d in order}}
        evidence = {number: listen(self, number, mine) for number, mine in cels.items()}
        labels = hints.locate(self, evidence)
        colored: dict[str, Colored] = {}
        for number, mine in cels.items():
            answers = solve(evidence[number], labels[number], job.options)
            colored |= {d: answers.get(d) or blank(evidence[number]) for d in mine}
        yield from self._paint(read, colored)
        self.cache.prune()

    def _paint(self, read: dict[str, analysis.Analysis], colored: dict[str, Colored]) -> Iterator[Picture]:
        wanted = jobs.pictures(self.job)
        options = {name: self.job.options[name] for name in ("lines", "traces")}

        def make(item: tuple[tuple[str | None, ...], str]) -> tuple[bool, float]:
            ids, file = item
            began = time.perf_counter()
            shown = [d for d in ids if d is not None]
            key = digest(self.revision, list(self.job.size), options, [[read[d].key, colored[d].key] for d in shown])
            for d in shown:
                self._write_regions(d, read[d], colored[d])
            reused = png.read_key(self.folder / file) == key
            if not reused:
                png.write(self.folder / file, self._compose(shown, read, colored), key)
            return reused, time.perf_counter() - began

        unknown: list[int] = []
        for done, ((ids, file), (reused, seconds)) in enumerate(self.each(make, wanted.items()), 1):
            shown = [d for d in ids if d is not None]
            self.progress("Painting", done / len(wanted))
            frame = next(e.frame for e in self.job.frames if e.drawings == ids)
            doubt = sum(colored[d].unknown for d in shown)
            if doubt:
                unknown.append(frame)
            yield Picture(
                frame=frame,
                file=file,
                reused=reused,
                regions=sum(read[d].count for d in shown),
                unknown=doubt,
                leaks=sum(len(read[d].leaks) for d in shown),
                seconds=seconds + (0.0 if reused else sum(read[d].seconds for d in shown)),
            )
        if unknown:
            total = sum(c.unknown for c in colored.values())
            self.warn(f"{total} regions are unpainted for doubt, first in frame {min(unknown)}: add a reference, or choose Best Guess.")

    def _texture(self, scene: film.Film, answer: Colored, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
        """What of a drawing is painted by a film frame, if the drawing can be laid on it: what is not even there, and what is unknown."""
        way = film.flow(scene, arrays["paint"][..., 3] >= 128)
        if way.alignment < film.ALIGNED:
            return None
        moved, uneven = film.texture(scene, way, arrays["grown"], len(answer.swatch) - 1)
        return moved, (uneven | (answer.swatch < 0)) & ~answer.told

    def _write_regions(self, drawing: str, found: analysis.Analysis, answer: Colored) -> None:
        """Write regions/<id>.npz, unless it says the same already: confidences change with a neighbor, where paint does not."""
        path = self.folder / f"regions/{drawing}.npz"
        said = {
            "swatches": answer.swatches,
            "swatch": answer.swatch,
            "confidence": answer.confidence,
            "leaks": found.leaks,
            "closures": found.closures,
        }
        if not holds(path, said):
            grown = analysis.labels(self.job, self.job.drawing(drawing), self.folder, self.cache)
            write_atomic(path, pack({"labels": grown.astype(np.int32), **said}))

    def _compose(self, shown: list[str], read: dict[str, analysis.Analysis], colored: dict[str, Colored]) -> np.ndarray:
        width, height = self.job.size
        picture = None
        for d in shown:
            arrays = analysis.pixels(self.job, self.job.drawing(d), self.folder, self.cache)
            answer = colored[d]
            grown = arrays["grown"]
            traces = arrays["traces"] if self.job.options["traces"] else None
            texture = None if answer.scene is None else self._texture(answer.scene, answer, arrays)
            layer = paint.compose(grown, answer.colors(), arrays["paint"], traces, bool(self.job.options["lines"]), texture)
            picture = layer if picture is None else paint.over(picture, layer)
        return np.zeros((height, width, 4), np.uint8) if picture is None else picture


def _leaks(frame: int, leaks: np.ndarray) -> str:
    """One sentence about the open gaps of a drawing; the widest are named."""
    widest = leaks[np.argsort(-leaks[:, 2])][:3]
    places = ", ".join(f"{gap:.0f} px at ({x:.0f}, {y:.0f})" for x, y, gap in widest.tolist())
    many = "an open gap" if len(leaks) == 1 else f"{len(leaks)} open gaps"
    return f"Frame {frame} has {many} ({places}): close the lines, or raise Close Gaps, for what runs out there stays unpainted."
