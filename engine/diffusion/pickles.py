"""Weights that were published as pickles, converted once to safetensors: torch's weights-only loader builds tensors and runs no code."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..job.errors import BadInput, JobFailed


def convert_pickle(source: Path, target: Path, help: str) -> Path:
    """Write the tensors of a pickle, or of its `state_dict` (DeepSpeed's `module`), as safetensors in half precision. Returns `target`.

    Raises BadInput when the file contains anything but tensors or is truncated, JobFailed when the disk is full.
    """
    try:
        raw = torch.load(source, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # the loader raises all kinds of errors for damaged files
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(f"{source} is not a file of weights, or damaged ({reason}): {help}.") from error
    state = raw.get("state_dict", raw.get("module", raw)) if isinstance(raw, Mapping) else {}
    if not state or not all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()):
        raise BadInput(f"{source} holds something else than named weights: {help}.")
    part = target.with_suffix(".part")
    try:
        save_file({name: _halve_precision(tensor) for name, tensor in state.items()}, part)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise JobFailed(f"Could not write {target} ({error.strerror or error}): free some space, or make the folder writable.") from error
    return target


def _halve_precision(tensor: Tensor) -> Tensor:
    return (tensor.half() if tensor.is_floating_point() else tensor).contiguous().clone()
