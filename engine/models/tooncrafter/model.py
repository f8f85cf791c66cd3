"""ToonCrafter as a model of the engine: a job in, pictures out."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...diffusion.loaded import LoadedPipeline
from ...job import Job, Picture
from ...job.files import digest
from ...job.messages import Event
from ...pictures import run
from . import text
from .cel import Cel
from .memory import place_for_job
from .pipeline import ToonCrafterPipeline
from .weights import NAMES, TOWERS, find_weights, load_networks


class ToonCrafter:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        yield from Run(job, folder, on_event, should_cancel, self.device).pictures()


class Run(run.Run):
    MODEL = "tooncrafter"
    REVISION = "1"
    STAGES = {"Painting": 0.0, "Loading the model": 0.1, "Denoising": 0.9}  # pictures are painted between two clips' denoising
    PAINT = frozenset(("snap", "nearest", "lines", "gap", "memory", "weights"))

    def cel(self, number: int) -> Any:
        return Cel(self, number)

    def files(self) -> list[Path]:
        towers = [path for part in TOWERS for name in NAMES[part] if (path := self.weights / name).is_file()]
        return [find_weights(self.weights, "model"), *([find_weights(self.weights, "sketch_encoder")] if self._guided else []), *towers]

    @property
    def _guided(self) -> bool:
        return any(clip.guides for cel in self.cels.values() for clip in cel.clips)

    @functools.cached_property
    def ready(self) -> LoadedPipeline[ToonCrafterPipeline]:
        """The networks, loaded when they are first needed. Raises BadInput, JobFailed."""
        _ = self.device  # told before anything is loaded
        text.tokens(str(self.job.options["prompt"]), self.weights / "tokenizer")  # so that nothing is loaded for one that can't be read
        nets = self.loaded(lambda folder, dtype, tell: load_networks(folder, dtype, self._guided, tell=tell))
        largest = max((cel.canvas.size for cel in self.cels.values() if cel.clips), key=lambda size: size[0] * size[1])
        return place_for_job(nets, largest, self.job.options, self.device)

    def denoised(self, cel: Cel, done: float) -> None:
        """Tell that so many clips of a cel are denoised."""
        before = sum(len(other.clips) for other in self.cels.values() if other.number < cel.number)
        self.progress("Denoising", (before + done) / sum(len(other.clips) for other in self.cels.values()))

    def _key(self, ids: tuple[str | None, ...]) -> str:
        shown = [cel.key(drawing) for cel, drawing in zip(self.cels.values(), ids, strict=True) if drawing is not None]
        return digest(self.REVISION, shown, list(ids))
