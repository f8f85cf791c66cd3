"""Downloads weights from the hub, only on request: at a pinned commit, resumed after interruptions, and checked before use.

`weights_store.start_download` runs `python -m engine.worker.download MODEL EVENTS`.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from .. import models
from ..host import weights_store as weights
from ..host.child import end_with_parent, write_event
from ..host.weights_store import WeightsSource
from ..job.errors import BadInput, JobFailed, ShiageError
from ..job.files import compute_file_sha256
from ..job.messages import Done, Event, Failed, Progress, Started
from ..models import ModelInfo

SPARE = 1 << 30  # bytes that must stay free on the disk
PARTS = ".parts"  # for unfinished files, below the model's folder

OnProgress = Callable[[str, int, int], None]  # file, bytes done, total bytes


def describe_placement(info: ModelInfo) -> str:
    """Instructions on which files of a model's weights go where, for a download by hand."""
    if info.by_hand:
        place = weights.locate_weights(info.id)
        return f"The weights of '{info.id}' can't be fetched: put the files that docs/{info.id}.md names into {place}."
    return weights.describe_manual_download(info.id, info.weights) if info.weights else f"The model '{info.id}' needs no weights."


def download_weights(
    info: ModelInfo, accept: bool = False, report: OnProgress = lambda file, done, all: None, endpoint: str | None = None
) -> Path:
    """Download the missing files of a model's weights. Returns their folder. `accept` accepts the licenses, which is needed once.

    Raises BadInput for a model without weights or with weights that must be downloaded by hand, and for a license that is not accepted.
    Raises JobFailed when the hub can't be reached (with instructions for a download by hand), when the disk is too full, and when a file
    does not match the hub's checksum.
    """
    if not info.weights:
        raise BadInput(describe_placement(info))
    target = weights.locate_weights(info.id)
    for source in info.weights:
        if not accept and not weights.is_license_accepted(target, source):
            raise BadInput(
                f"{source.repository} has this license: {source.license} Read it at {source.terms}, then start again with --accept-license."
            )
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JobFailed(f"Can't write to {target} ({error.strerror}): set {weights.WEIGHTS_VARIABLE} to another folder.") from error
    for source in info.weights:
        weights.accept_license(target, source)
    for source in info.weights:
        _fetch_source(info, source, target, report, endpoint)
    shutil.rmtree(target / PARTS, ignore_errors=True)
    return target


def _fetch_source(info: ModelInfo, source: WeightsSource, target: Path, report: OnProgress, endpoint: str | None) -> None:
    have = weights.read_records(target)
    wanted = [f for f in source.files if not ((target / f).is_file() and have.get(f, {}).get("commit") == source.commit)]
    if not wanted:
        return
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        known = {
            s.rfilename: s
            for s in HfApi(endpoint=endpoint).model_info(source.repository, revision=source.commit, files_metadata=True).siblings or []
        }
        need = sum(known[source.prefix + f].size or 0 for f in wanted if source.prefix + f in known)
        free = shutil.disk_usage(target).free
        if free < need + SPARE:
            raise JobFailed(
                f"The disk of {target} has {free >> 30} GB free and the weights need {(need + SPARE) >> 30} GB: free some space."
            )
        for file in wanted:
            name = source.prefix + file
            if name not in known:
                by_hand = weights.describe_manual_download(info.id, info.weights)
                raise JobFailed(f"{source.repository} has no file {name} at {source.commit[:8]}.\n{by_hand}")
            _fetch_file(source, file, target, known[name], report, endpoint)
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, httpx2.HTTPError, ConnectionError, TimeoutError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        by_hand = weights.describe_manual_download(info.id, info.weights)
        raise JobFailed(f"The hub can't be reached or refuses ({reason}): try again later, or fetch by hand.\n{by_hand}") from error
    except OSError as error:
        raise JobFailed(f"The weights can't be written to {target} ({error.strerror or error}): free some space.") from error


def _fetch_file(source: WeightsSource, file: str, target: Path, known, report: OnProgress, endpoint: str | None) -> None:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    path = target / PARTS / f"{known.blob_id}.part"
    path.parent.mkdir(parents=True, exist_ok=True)
    url = hf_hub_url(source.repository, source.prefix + file, revision=source.commit, endpoint=endpoint)
    with open(path, "ab") as part:
        report(file, part.tell(), known.size)
        if part.tell() < known.size:
            shown = _make_progress_class(file, report)
            http_get(url, part, resume_size=part.tell(), headers=build_hf_headers(), expected_size=known.size, tqdm_class=shown)
    sha256 = compute_file_sha256(path)
    right = sha256 == known.lfs.sha256 if known.lfs else _compute_git_sha1(path) == known.blob_id
    if not right:
        path.unlink()
        raise JobFailed(f"{file} is not what {source.repository} says it is: it was thrown away, start again.")
    (target / file).parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, target / file)
    weights.record_file(target, file, source, sha256)


def _compute_git_sha1(path: Path) -> str:
    """The git hash of a file, which the hub uses for small files."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _make_progress_class(file: str, report: OnProgress) -> type:
    from tqdm import tqdm

    class ReportingBar(tqdm):
        def __init__(self, *args, **kwargs) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": False, "file": open(os.devnull, "w")})  # noqa: SIM115  # closed below

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            report(file, int(self.n), int(self.total or 0))
            return shown

        def close(self) -> None:
            super().close()
            self.fp.close()

    return ReportingBar


def main(model: str, events: Path) -> int:
    """Download the weights of a model whose licenses are accepted, and write exactly one terminal event. Returns the exit code."""
    write_event(events, Started(model))
    try:
        info = models.info(model)
        total, there = sum(source.bytes for source in info.weights), {}

        def report_progress(file: str, done: int, size: int) -> None:
            there[file] = done
            write_event(events, Progress(model, file, min(1.0, sum(there.values()) / max(total, 1))))

        for file in set(weights.read_records(weights.locate_weights(model))):
            path = weights.locate_weights(model) / file
            there[file] = path.stat().st_size if path.is_file() else 0
        download_weights(info, report=report_progress)
        end: Event = Done(model, f"The weights of {info.title} are in place.")
    except ShiageError as error:
        end = Failed(model, error.kind, str(error).partition("\n")[0])  # the panel shows the instructions for a download by hand
    write_event(events, end)
    return 0 if isinstance(end, Done) else JobFailed.exit_code


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
