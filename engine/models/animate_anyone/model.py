"""Animate Anyone as a model of the engine: a job in, pictures out."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ...diffusion.clip import find_largest
from ...diffusion.loaded import LoadedPipeline
from ...job import Job, Picture
from ...job.errors import BadInput
from ...job.messages import Event
from ...pictures import run
from .cel import Cel
from .memory import place_for_job
from .pipeline import AnimateAnyonePipeline
from .weights import FILES, find_weights, load_networks


class AnimateAnyone:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        here = Run(replace(job, hints=()), folder, on_event, should_cancel, self.device)
        if job.hints:
            here.warn("Corrections are for drawings with lines: here they have no effect.")
        yield from here.pictures()


class Run(run.Run):
    MODEL = "animate_anyone"
    REVISION = "1"
    STAGES = {"Reading poses": 0.03, "Loading the model": 0.12, "Denoising": 0.75, "Painting": 0.1}
    PAINT = frozenset(("snap", "lines", "clean", "memory", "weights"))

    def cel(self, number: int) -> Cel:
        cel = Cel(self, number)
        strange = next((d for d in cel.order if self.job.drawing(d).kind not in ("pose", "raster")), None)
        if strange is not None:
            raise BadInput(f"Animate Anyone is given poses, and the drawing {strange} is of the kind '{self.job.drawing(strange).kind}'.")
        return cel

    def files(self) -> list[Path]:
        return [find_weights(self.weights, name) for name in FILES]

    @functools.cached_property
    def ready(self) -> LoadedPipeline[AnimateAnyonePipeline]:
        """The networks, loaded when they are first needed. Raises BadInput, JobFailed."""
        nets = self.loaded(load_networks)
        largest = find_largest(cel.renderer.spec for cel in self.cels.values() if cel.shown)
        return place_for_job(nets, largest.size, len(largest.windows[0]), self.job.options, self.device)
