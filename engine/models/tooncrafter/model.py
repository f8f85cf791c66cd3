"""ToonCrafter as a model of the engine: a job in, pictures out."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from ...diffusion import device as devices
from ...job import Job, Picture
from ...job.files import digest
from ...job.messages import Event
from ...pictures import run
from . import needs, text
from .cel import Cel
from .nets import NAMES, TOWERS, find
from .nets import load as load_nets
from .sampler import Settings


class ToonCrafter:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        yield from Run(job, folder, on_event, should_cancel, self.device).pictures()


class Run(run.Run):
    """`free` is what the networks are told of nothing, once it is known."""

    MODEL = "tooncrafter"
    REVISION = "1"
    STAGES = {"Painting": 0.0, "Loading the model": 0.1, "Denoising": 0.9}  # pictures are painted between two clips' denoising
    PAINT = frozenset(("snap", "nearest", "lines", "gap", "memory", "weights"))
    free: torch.Tensor | None = None

    def cel(self, number: int) -> Any:
        return Cel(self, number)

    def files(self) -> list[Path]:
        towers = [path for part in TOWERS for name in NAMES[part] if (path := self.weights / name).is_file()]
        return [find(self.weights, "model"), *([find(self.weights, "sketch_encoder")] if self._guided else []), *towers]

    @property
    def _guided(self) -> bool:
        return any(clip.guides for cel in self.cels.values() for clip in cel.clips)

    @functools.cached_property
    def settings(self) -> Settings:
        options = self.job.options
        return Settings(steps=int(str(options["steps"])), guidance=float(str(options["guidance"])), fps=float(str(options["fps"])))

    @functools.cached_property
    def ready(self) -> needs.Ready:
        """The networks, loaded when they are first needed. Raises BadInput, JobFailed."""
        device = self.device
        text.tokens(
            str(self.job.options["prompt"]), self.weights / "tokenizer"
        )  # so that nothing is loaded for a prompt that can't be read
        self.progress("Loading the model", 0.0)
        tell = functools.partial(self.progress, "Loading the model")
        nets = load_nets(self.weights, devices.numbers(device), self._guided, tell=tell)
        if nets.note:
            self.warn(nets.note)
        largest = max((cel.canvas.size for cel in self.cels.values() if cel.clips), key=lambda size: size[0] * size[1])
        return needs.ready(nets, largest, device, str(self.job.options["memory"]))

    def denoised(self, cel: Cel, number: int, part: float) -> None:
        """Tell that a part of a cel's clip is done."""
        before = sum(len(other.clips) for other in self.cels.values() if other.number < cel.number) + number
        self.progress("Denoising", (before + part) / sum(len(other.clips) for other in self.cels.values()))

    def _key(self, ids: tuple[str | None, ...]) -> str:
        shown = [cel.key(drawing) for cel, drawing in zip(self.cels.values(), ids, strict=True) if drawing is not None]
        return digest(self.REVISION, shown, list(ids))
