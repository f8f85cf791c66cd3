"""ToonCrafter as a model of the engine: a job in, pictures out."""

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from ... import job as jobs
from ... import weights as store
from ...cache import Cache
from ...colors import paint, png
from ...diffusion import device as devices
from ...errors import BadInput, Cancelled, JobFailed
from ...job import Job
from ...messages import Event, Progress, Warned
from .. import Picture
from . import needs, text
from .cel import Cel
from .nets import NAMES, find
from .nets import load as load_nets
from .sampler import Settings

REVISION = "1"  # of the pictures; raise it when their pixels change
STAGES = {"Loading the model": 0.1, "Denoising": 0.9}
OTHERWISE = "or choose the model Vector, which needs no graphics card."
SMALL = 200_000_000  # bytes of weights; with no more of them a processor makes clips in reasonable time


class ToonCrafter:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        yield from Run(job, folder, on_event, should_cancel, self.device).pictures()


class Run:
    """One run of a job: what its cels share. `free` is what the networks are told of nothing, once it is known."""

    def __init__(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool], device: str) -> None:
        self.job, self.folder = job, folder
        self._on_event, self.should_cancel, self._wanted = on_event, should_cancel, device
        self.weights = Path(str(job.options["weights"])).expanduser() if job.options["weights"] else store.folder("tooncrafter")
        self._done = 0.0
        self.cache = Cache(folder, REVISION)
        self.free: torch.Tensor | None = None

    # --- helpers of the stages ---

    def warn(self, text: str) -> None:
        self._on_event(Warned(str(self.folder), text))

    def progress(self, stage: str, part: float) -> None:
        before = sum(share for name, share in list(STAGES.items())[: list(STAGES).index(stage)])
        self._done = max(self._done, min(1.0, before + STAGES[stage] * part))
        self._on_event(Progress(str(self.folder), stage, self._done))

    def denoised(self, cel: Cel, number: int, part: float) -> None:
        """Tell that a part of a cel's clip is done."""
        before = sum(len(other.clips) for other in self.cels if other.number < cel.number) + number
        self.progress("Denoising", (before + part) / sum(len(other.clips) for other in self.cels))

    def check(self) -> None:
        if self.should_cancel():
            raise Cancelled("The job was cancelled; finished pictures stay.")

    # --- what the cels share ---

    @functools.cached_property
    def cels(self) -> list[Cel]:
        return [Cel(self, number) for number in range(len(self.job.cels))]

    @functools.cached_property
    def _made(self) -> set[str | None]:
        """The drawings to be made."""
        return {drawing for cel in self.cels for drawing in cel.painting.source}

    @property
    def _guided(self) -> bool:
        return any(clip.guides for cel in self.cels for clip in cel.clips)

    @functools.cached_property
    def about(self) -> list:
        """What all pictures depend on beside the job. Raises BadInput, JobFailed."""
        try:
            found = [find(self.weights, "model"), *([find(self.weights, "sketch_encoder")] if self._guided else [])]
        except BadInput as error:
            if not self.job.options["weights"] and self._wanted != "cpu" and (reason := devices.why_no_cuda()):
                raise JobFailed(f"{reason}; {OTHERWISE}") from error  # nobody fetches 5 GB to learn that
            raise
        found += [
            path for names in NAMES.values() for name in names if (path := self.weights / name).parent != self.weights and path.is_file()
        ]
        return [REVISION, [[path.stat().st_size, path.stat().st_mtime_ns] for path in found]]

    @functools.cached_property
    def settings(self) -> Settings:
        options = self.job.options
        return Settings(steps=int(str(options["steps"])), guidance=float(str(options["guidance"])), fps=float(str(options["fps"])))

    def _device(self) -> torch.device:
        """Where the networks run. Raises JobFailed when that is a processor that would take days."""
        device = devices.choose(self._wanted)
        if device.type == "cpu" and self._wanted == "auto" and find(self.weights, "model").stat().st_size > SMALL:
            raise JobFailed(f"{devices.why_no_cuda()}; {OTHERWISE}")
        return device

    @functools.cached_property
    def ready(self) -> needs.Ready:
        """The networks, loaded when they are first needed. Raises BadInput, JobFailed."""
        device = self._device()
        text.tokens(str(self.job.options["prompt"]), self.weights / "tokenizer")
        self.progress("Loading the model", 0.0)
        tell = lambda file, part: self.progress("Loading the model", part)  # noqa: E731
        nets = load_nets(self.weights, devices.numbers(device), self._guided, tell=tell)
        if nets.note:
            self.warn(nets.note)
        largest = max((cel.canvas.size for cel in self.cels if cel.clips), key=lambda size: size[0] * size[1])
        return needs.ready(nets, largest, device, str(self.job.options["memory"]))

    # --- the work ---

    def pictures(self) -> Iterator[Picture]:
        wanted = jobs.pictures(self.job)
        told = False
        begun = time.monotonic()
        for ids, file in sorted(wanted.items(), key=lambda item: not self._made & set(item[0])):  # keys, which take no time, come last
            frame = next(e.frame for e in self.job.frames if e.drawings == ids)
            key = jobs.digest(REVISION, [cel.key(d) for cel, d in zip(self.cels, ids, strict=True) if d is not None], list(ids))
            if png.read_key(self.folder / file) == key:
                yield Picture(frame, file, reused=True)
                continue
            self.check()
            if not told:
                self._device()  # before anything is made
                for cel in self.cels:
                    cel.check()
                told = True
            picture, regions = self._compose(ids)
            png.write(self.folder / file, picture, key)
            yield Picture(frame, file, regions=regions, seconds=time.monotonic() - begun)
            begun = time.monotonic()
        for cel in self.cels:
            self.cache.keep(cel.painting.entries())
        self.cache.prune()

    def _compose(self, ids: tuple[str | None, ...]) -> tuple[np.ndarray, int]:
        width, height = self.job.size
        picture, count = np.zeros((height, width, 4), np.uint8), 0
        for cel, drawing in zip(self.cels, ids, strict=True):
            if drawing is not None:
                layer, regions = cel.layer(drawing)
                picture, count = paint.over(picture, layer), count + regions
        return picture, count
