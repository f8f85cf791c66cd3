"""LVCD as a model of the engine: a job in, pictures out."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from ...diffusion.loaded import LoadedPipeline
from ...job import Job
from ...job.messages import Event
from ...pictures import run
from .. import Picture
from .cel import Cel
from .memory import place_for_job
from .pipeline import LvcdPipeline
from .weights import find_files, load_networks


class LVCD:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        yield from Run(job, folder, on_event, should_cancel, self.device).pictures()


class Run(run.Run):
    MODEL = "lvcd"
    REVISION = "1"
    STAGES = {"Reading drawings": 0.05, "Loading the model": 0.05, "Denoising": 0.8, "Painting": 0.1}
    PAINT = frozenset(("snap", "lines", "memory", "weights"))

    cels: dict[int, Cel]
    _finished = 0.0

    def cel(self, number: int) -> Cel:
        return Cel(self, number)

    def files(self) -> list[Path]:
        return list(find_files(self.weights).values())

    @functools.cached_property
    def ready(self) -> LoadedPipeline[LvcdPipeline]:
        """The networks, loaded when they are first needed. Raises BadInput, JobFailed."""
        nets = self.loaded(load_networks)
        largest = max((cel.canvas.size for cel in self.cels.values() if cel.drawn), key=lambda size: size[0] * size[1])
        return place_for_job(nets, largest, self.job.options, self.device)

    def denoised(self, part: float, whole: bool) -> None:
        """So many more segments are denoised; `whole` when they are finished."""
        self.progress("Denoising", (self._finished + part) / self._segments)
        self._finished += part if whole else 0.0

    @functools.cached_property
    def _segments(self) -> int:
        """Those that are left to do."""
        names = {name for cel in self.cels.values() if cel.drawn for name in cel.renderer.cache_keys()}
        return max(1, sum(not self.cache.has(name) for name in names))
