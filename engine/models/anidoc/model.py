"""AniDoc as a model of the engine: a job in, pictures out."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from ...diffusion.clip import find_largest
from ...diffusion.loaded import LoadedPipeline
from ...job import Job
from ...job.errors import BadInput
from ...job.messages import Event
from ...pictures import run
from .. import Picture, info
from .cel import Cel
from .dift import Matches
from .memory import place_for_job
from .pipeline import AniDocPipeline
from .weights import FILES, find_weights, load_networks


class AniDoc:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        yield from Run(job, folder, on_event, should_cancel, self.device).pictures()


class Run(run.Run):
    MODEL = "anidoc"
    REVISION = "2"
    STAGES = {"Reading drawings": 0.08, "Loading the model": 0.07, "Denoising": 0.75, "Painting": 0.1}
    PAINT = frozenset(("snap", "lines", "memory", "weights", "compile"))

    def cel(self, number: int) -> Cel:
        return Cel(self, number)

    def files(self) -> list[Path]:
        return [find_weights(self.weights, name) for name in FILES]

    @functools.cached_property
    def about(self) -> list:
        if not self.job.options["weights"] and self.job.task == "inbetween":
            raise BadInput(f"{info('anidoc').notes['inbetween']} Give their folder as the option Weights.")
        return super().about

    @functools.cached_property
    def dift(self) -> Matches | None:
        """Points by the features of a Stable Diffusion model, if they are wanted. Raises BadInput, JobFailed."""
        folder = str(self.job.options["dift"])
        return Matches(Path(folder).expanduser(), self.device, self.job.seed) if folder else None

    @functools.cached_property
    def ready(self) -> LoadedPipeline[AniDocPipeline]:
        """The networks, loaded when they are first needed. Raises BadInput, JobFailed."""
        nets = self.loaded(load_networks)
        if nets.sparse and self.job.task != "inbetween":
            raise BadInput(
                "These weights are of the sparse stage, which makes inbetweens: give weights of the dense stage to color drawings."
            )
        if self.job.task == "inbetween" and not nets.sparse:
            raise BadInput(f"These weights are of the dense stage, which colors drawings. {info('anidoc').notes['inbetween']}")
        largest = find_largest(cel.renderer.spec for cel in self.cels.values() if cel.order)
        return place_for_job(nets, largest.size, len(largest.windows[0]), self.job.options, self.device)
