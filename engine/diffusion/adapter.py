"""The networks of a job: where their weights lie, where they run, and the pipeline, loaded when it is first needed."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch

from ..host import weights_store
from ..job.errors import BadInput, JobFailed
from ..pictures.context import JobContext
from . import device as devices
from .loaded import LoadedPipeline

SMALL = 50_000_000  # parameters; a network with no more of them runs on a processor in reasonable time


class Annotated(Protocol):
    """Networks; `note` is what the folder of their weights says to the person."""

    @property
    def note(self) -> str: ...


Networks = TypeVar("Networks", bound=Annotated)
Pipeline = TypeVar("Pipeline", bound=Any)


@dataclass(frozen=True)
class ModelWeights(Generic[Networks]):
    """What a model's networks are loaded from. `model` its id · `revision` of its pictures · `find_files` the files of a folder, raises
    BadInput when one is missing · `load_networks` reads them, in a dtype, and tells which part it is at · `alternatives` the titles of
    models that do the task without a graphics card."""

    model: str
    revision: str
    find_files: Callable[[Path], Sequence[Path]]
    load_networks: Callable[[Path, torch.dtype, Callable[[str, float], None]], Networks]
    alternatives: Sequence[str]


class PipelineLoader(Generic[Networks, Pipeline]):
    """`place_pipeline` puts networks where they can make the largest clip of the job, on the device."""

    def __init__(
        self,
        context: JobContext,
        weights: ModelWeights[Networks],
        wanted: str,
        place_pipeline: Callable[[Networks, torch.device], LoadedPipeline[Pipeline]],
    ) -> None:
        """`wanted` is the device of the job: auto, cpu or cuda."""
        self.context, self.weights, self._wanted, self._place_pipeline = context, weights, wanted, place_pipeline
        given = str(context.job.options["weights"])
        self.choose_device = functools.cache(self._choose_device)
        self.load_pipeline = functools.cache(self._load_pipeline)
        self.folder = Path(given).expanduser() if given else weights_store.locate_weights(weights.model)

    @functools.cached_property
    def weights_fingerprint(self) -> list:
        """What all frames depend on beside the job, as JSON values. Raises BadInput, JobFailed."""
        try:
            stats = [path.stat() for path in self.weights.find_files(self.folder)]
        except BadInput as error:
            default = not self.context.job.options["weights"]
            if default and self._wanted != "cpu" and (reason := devices.explain_no_cuda()):  # nobody downloads gigabytes to learn that
                raise JobFailed(self._advise(reason)) from error
            raise
        return [self.weights.revision, [[stat.st_size, stat.st_mtime_ns] for stat in stats]]

    def _choose_device(self) -> torch.device:
        """Where the networks run. Raises JobFailed when that is a processor that would take days."""
        if self._wanted == "cuda" and (reason := devices.explain_no_cuda()):
            raise JobFailed(self._advise(reason))
        device = devices.choose_device(self._wanted)
        if device.type == "cpu" and self._wanted == "auto":
            largest = max(path.stat().st_size for path in self.weights.find_files(self.folder))
            if largest > 4 * SMALL:
                raise JobFailed(self._advise(devices.explain_no_cuda()))
        return device

    def _load_pipeline(self) -> LoadedPipeline[Pipeline]:
        """The pipeline, the same one each time. Raises BadInput, JobFailed."""
        device = self.choose_device()
        self.context.progress("Loading the model", 0.0)
        report = functools.partial(self.context.progress, "Loading the model")
        networks = self.weights.load_networks(self.folder, devices.inference_dtype(device), lambda name, part: report(part))
        if networks.note:
            self.context.warn(networks.note)
        return self._place_pipeline(networks, device)

    def _advise(self, reason: str) -> str:
        """What keeps the job from a graphics card, and what to do."""
        titles = " or ".join(self.weights.alternatives)
        if not titles:
            return f"{reason}; every model for this task needs a graphics card."
        return f"{reason}; or choose the model {titles}, which needs no graphics card."
