"""One run of a job by a model that paints pictures: what its cels share, and the way from them to frames."""

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch

from .. import job as jobs
from ..diffusion import device as devices
from ..drawing.colors import paint, png
from ..host import weights_store as store
from ..job import Job, Picture
from ..job.errors import BadInput, Cancelled, JobFailed
from ..job.files import digest
from ..job.messages import Event, Progress, Warned
from . import hints
from .cache import Cache
from .cel import Cel
from .context import JobContext

SMALL = 50_000_000  # parameters; a network with no more of them runs on a processor in reasonable time


class Noted(Protocol):
    """Networks; `note` is what the folder of their weights says to the person."""

    @property
    def note(self) -> str: ...


Nets = TypeVar("Nets", bound=Noted)


class Run:
    """A model's own run says with what files and by what cels it paints.

    `MODEL` is its id, `REVISION` that of its pictures, to be raised when their pixels change · `STAGES` the shares of its progress ·
    `PAINT` the options that change nothing of what the networks paint.
    """

    MODEL: ClassVar[str]
    REVISION: ClassVar[str]
    STAGES: ClassVar[Mapping[str, float]]
    PAINT: ClassVar[frozenset[str]]

    def __init__(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool], device: str) -> None:
        self.job, self.folder = job, folder
        self._on_event, self.should_cancel, self._wanted = on_event, should_cancel, device
        self.weights = Path(str(job.options["weights"])).expanduser() if job.options["weights"] else store.folder(self.MODEL)
        self._done, self._warned = 0.0, set[str]()
        self.cache = Cache(folder, self.REVISION)
        self.cels: dict[int, Any] = {}

    def cel(self, number: int) -> Cel:
        """The model's cel of this number."""
        raise NotImplementedError

    def files(self) -> Sequence[Path]:
        """The files of its weights. Raises BadInput, saying what to do, when one is missing."""
        raise NotImplementedError

    # --- helpers of the stages ---

    @functools.cached_property
    def context(self) -> JobContext:
        return JobContext(self.job, self.folder, self.cache, self.warn, self.progress, self.check)

    def warn(self, text: str, frame: int | None = None) -> None:
        """Tell it, once."""
        if text not in self._warned:
            self._warned.add(text)
            self._on_event(Warned(str(self.folder), text))

    def progress(self, stage: str, part: float) -> None:
        before = sum(share for name, share in list(self.STAGES.items())[: list(self.STAGES).index(stage)])
        self._done = max(self._done, min(1.0, before + self.STAGES[stage] * part))
        self._on_event(Progress(str(self.folder), stage, self._done))

    def loaded(self, load: Callable[[Path, torch.dtype, Callable[[str, float], None]], Nets]) -> Nets:
        """The networks of the run's weights, and what these say to the person is told. Raises BadInput, JobFailed."""
        numbers = devices.numbers(self.device)
        self.progress("Loading the model", 0.0)
        nets = load(self.weights, numbers, lambda name, part: self.progress("Loading the model", part))
        if nets.note:
            self.warn(nets.note)
        return nets

    def check(self) -> None:
        if self.should_cancel():
            raise Cancelled("The job was cancelled; finished pictures stay.")

    # --- what the cels share ---

    @functools.cached_property
    def about(self) -> list:
        """What all pictures depend on beside the job. Raises BadInput, JobFailed."""
        try:
            stats = [path.stat() for path in self.files()]
        except BadInput as error:
            default = not self.job.options["weights"]
            if default and self._wanted != "cpu" and (reason := devices.why_no_cuda()):  # nobody downloads gigabytes to learn that
                raise JobFailed(f"{reason}; {self._otherwise}") from error
            raise
        return [self.REVISION, [[stat.st_size, stat.st_mtime_ns] for stat in stats]]

    @property
    def _otherwise(self) -> str:
        return f"or choose the model {'Vector' if self.job.task == 'inbetween' else 'Flats'}, which needs no graphics card."

    @functools.cached_property
    def device(self) -> torch.device:
        """Where the networks run. Raises JobFailed when that is a processor that would take days."""
        device = devices.choose(self._wanted)
        if device.type == "cpu" and self._wanted == "auto" and max(path.stat().st_size for path in self.files()) > 4 * SMALL:
            raise JobFailed(f"{devices.why_no_cuda()}; {self._otherwise}")
        return device

    # --- the work ---

    def pictures(self) -> Iterator[Picture]:
        """Raises BadInput, Cancelled, JobFailed."""
        wanted = jobs.pictures(self.job)
        self.cels = {number: self.cel(number) for number in range(len(self.job.cels))}
        if self.job.hints:
            hints.hear(self, self.cels)
        begun = time.monotonic()
        kept = {drawing.id for drawing in self.job.drawings if drawing.kind == "painted"} | {None}
        order = sorted(wanted.items(), key=lambda item: kept.issuperset(item[0]))  # what is as given takes no time, and comes last
        for done, (ids, file) in enumerate(order, 1):
            frame = next(e.frame for e in self.job.frames if e.drawings == ids)
            key = self._key(ids)
            if png.read_key(self.folder / file) == key:
                yield Picture(frame, file, reused=True)
                continue
            self.check()
            _ = self.device  # told before anything is read
            picture, regions = self._compose(ids)
            png.write(self.folder / file, picture, key)
            self.progress("Painting", done / len(wanted))
            yield Picture(frame, file, regions=regions, seconds=(time.monotonic() - begun))
            begun = time.monotonic()
        for cel in self.cels.values():
            self.cache.keep(cel.entries())
        self.cache.prune()

    def _key(self, ids: tuple[str | None, ...]) -> str:
        """What a picture depends on."""
        options = {name: self.job.options[name] for name in ("snap", "lines")}
        shown = [(cel, drawing) for cel, drawing in zip(self.cels.values(), ids, strict=True) if drawing is not None]
        return digest(self.REVISION, options, list(ids), [cel.key(drawing) for cel, drawing in shown])

    def _compose(self, ids: tuple[str | None, ...]) -> tuple[np.ndarray, int]:
        width, height = self.job.size
        picture, count = np.zeros((height, width, 4), np.uint8), 0
        for cel, drawing in zip(self.cels.values(), ids, strict=True):
            if drawing is not None:
                layer, regions = cel.layer(drawing)
                picture, count = paint.over(picture, layer), count + regions
        return picture, count
