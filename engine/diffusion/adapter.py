"""The networks of a job: the folder of their weights, their device, and their pipeline, which is loaded when it is first needed."""

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

SMALL = 50_000_000  # parameters; a network with no more of them runs on a CPU in reasonable time


class Annotated(Protocol):
    """Networks with a `note`: a text for the user from the folder of their weights."""

    @property
    def note(self) -> str: ...


Networks = TypeVar("Networks", bound=Annotated)
Pipeline = TypeVar("Pipeline", bound=Any)


@dataclass(frozen=True)
class ModelWeights(Generic[Networks]):
    """What a model's networks are loaded from. `model` its id · `revision` of its pictures · `find_files` lists the files of a folder,
    raises BadInput when one is missing · `load_networks` reads them in a dtype and reports each part · `alternatives` the titles of models
    that can do the task without a GPU."""

    model: str
    revision: str
    find_files: Callable[[Path], Sequence[Path]]
    load_networks: Callable[[Path, torch.dtype, Callable[[str, float], None]], Networks]
    alternatives: Sequence[str]


class PipelineLoader(Generic[Networks, Pipeline]):
    """Loads networks once. `place_pipeline` builds their pipeline on the device, with a memory plan for the largest clip of the job."""

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
        """What all frames depend on besides the job, as JSON values. Raises BadInput, JobFailed."""
        try:
            stats = [path.stat() for path in self.weights.find_files(self.folder)]
        except BadInput as error:
            default = not self.context.job.options["weights"]
            if default and self._wanted != "cpu" and (reason := devices.explain_no_cuda()):  # say so before anybody downloads gigabytes
                raise JobFailed(self._advise_user(reason)) from error
            raise
        return [self.weights.revision, [[stat.st_size, stat.st_mtime_ns] for stat in stats]]

    def _choose_device(self) -> torch.device:
        """The device of the networks. Raises JobFailed when it is a CPU on which the job would take days."""
        if self._wanted == "cuda" and (reason := devices.explain_no_cuda()):
            raise JobFailed(self._advise_user(reason))
        device = devices.choose_device(self._wanted)
        if device.type == "cpu" and self._wanted == "auto":
            largest = max(path.stat().st_size for path in self.weights.find_files(self.folder))
            if largest > 4 * SMALL:
                raise JobFailed(self._advise_user(devices.explain_no_cuda()))
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

    def _advise_user(self, reason: str) -> str:
        """Why the job can't use a GPU, and what to do."""
        titles = " or ".join(self.weights.alternatives)
        if not titles:
            return f"{reason}; every model for this task needs a graphics card."
        return f"{reason}; or choose the model {titles}, which needs no graphics card."
