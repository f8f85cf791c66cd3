"""AniDoc as a model of the engine: a job in, pictures out."""

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
from ...matching import embedding
from ...messages import Event, Progress, Warned
from .. import Picture, info
from . import hints
from .cel import Cel
from .dift import Matches
from .nets import FILES, find
from .nets import load as load_nets
from .painting import Ready, settled

REVISION = "2"  # of the pictures; raise it when their pixels change
STAGES = {"Reading drawings": 0.08, "Loading the model": 0.07, "Denoising": 0.75, "Painting": 0.1}
OTHERWISE = "or choose the model Flats, which needs no graphics card."
SMALL = 50_000_000  # parameters; a network with no more of them runs on a processor in reasonable time


class AniDoc:
    """See `engine.models.Model`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool]) -> Iterator[Picture]:
        yield from Run(job, folder, on_event, should_cancel, self.device).pictures()


class Run:
    """One run of a job: what its cels share."""

    PAINT = frozenset(("snap", "lines", "memory", "weights", "compile"))  # options that change nothing of what the networks paint

    def __init__(self, job: Job, folder: Path, on_event: Callable[[Event], None], should_cancel: Callable[[], bool], device: str) -> None:
        self.job, self.folder = job, folder
        self._on_event, self.should_cancel, self._wanted = on_event, should_cancel, device
        self._weights = Path(str(job.options["weights"])).expanduser() if job.options["weights"] else store.folder("anidoc")
        self._done = 0.0
        self.cache = Cache(folder, REVISION)

    # --- helpers of the stages ---

    def warn(self, text: str) -> None:
        self._on_event(Warned(str(self.folder), text))

    def progress(self, stage: str, part: float) -> None:
        before = sum(share for name, share in list(STAGES.items())[: list(STAGES).index(stage)])
        self._done = max(self._done, min(1.0, before + STAGES[stage] * part))
        self._on_event(Progress(str(self.folder), stage, self._done))

    def check(self) -> None:
        if self.should_cancel():
            raise Cancelled("The job was cancelled; finished pictures stay.")

    # --- what the cels share ---

    @functools.cached_property
    def about(self) -> list:
        """What all pictures depend on beside the job. Raises BadInput, JobFailed."""
        default = not self.job.options["weights"]
        if default and self.job.task == "inbetween":
            raise BadInput(f"{info('anidoc').notes['inbetween']} Give their folder as the option Weights.")
        try:
            stats = [find(self._weights, name).stat() for name in FILES]
        except BadInput as error:
            if default and self._wanted != "cpu" and (reason := devices.why_no_cuda()):  # nobody downloads 10 GB to learn that
                raise JobFailed(f"{reason}; {OTHERWISE}") from error
            raise
        return [REVISION, embedding.REVISION, [[stat.st_size, stat.st_mtime_ns] for stat in stats]]

    @functools.cached_property
    def dift(self) -> Matches | None:
        """Points by the features of a Stable Diffusion model, if they are wanted. Raises BadInput, JobFailed."""
        folder = str(self.job.options["dift"])
        return Matches(Path(folder).expanduser(), devices.choose(self._wanted), self.job.seed) if folder else None

    def _device(self) -> torch.device:
        """Where the networks run. Raises JobFailed when that is a processor that would take days."""
        device = devices.choose(self._wanted)
        if device.type == "cpu" and self._wanted == "auto" and find(self._weights, "unet").stat().st_size > 4 * SMALL:
            raise JobFailed(f"{devices.why_no_cuda()}; {OTHERWISE}")
        return device

    @functools.cached_property
    def ready(self) -> Ready:
        """The networks, loaded when they are first needed. Raises BadInput, JobFailed."""
        device = self._device()
        self.progress("Loading the model", 0.0)
        nets = load_nets(self._weights, devices.numbers(device), lambda name, part: self.progress("Loading the model", part))
        if nets.note:
            self.warn(nets.note)
        if nets.sparse and self.job.task != "inbetween":
            raise BadInput(
                "These weights are of the sparse stage, which makes inbetweens: give weights of the dense stage to color drawings."
            )
        if self.job.task == "inbetween" and not nets.sparse:
            raise BadInput(f"These weights are of the dense stage, which colors drawings. {info('anidoc').notes['inbetween']}")
        return settled(nets, [cel.painting.shot for cel in self.cels.values() if cel.order], self.job.options, device)

    # --- the work ---

    def pictures(self) -> Iterator[Picture]:
        wanted = jobs.pictures(self.job)
        self.cels = {number: Cel(self, number) for number in range(len(self.job.cels))}
        if self.job.hints:
            hints.hear(self, self.cels)
        begun = time.monotonic()
        for done, (ids, file) in enumerate(wanted.items(), 1):
            frame = next(e.frame for e in self.job.frames if e.drawings == ids)
            key = self._key(ids)
            if png.read_key(self.folder / file) == key:
                yield Picture(frame, file, reused=True)
                continue
            self.check()
            self._device()  # told before anything is read
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
        cels = [cel for cel, drawing in zip(self.cels.values(), ids, strict=True) if drawing is not None]
        told = [cel.swatches.tobytes() + cel.told_of(d).tobytes() for cel, d in zip(cels, filter(None, ids), strict=True) if cel.told]
        options = {name: self.job.options[name] for name in ("snap", "lines")}
        return jobs.digest(REVISION, options, [cel.key for cel in cels], list(ids), len(told), *told)

    def _compose(self, ids: tuple[str | None, ...]) -> tuple[np.ndarray, int]:
        width, height = self.job.size
        picture, count = np.zeros((height, width, 4), np.uint8), 0
        for cel, drawing in zip(self.cels.values(), ids, strict=True):
            if drawing is not None:
                layer, regions = cel.layer(drawing)
                picture, count = paint.over(picture, layer), count + regions
        return picture, count
