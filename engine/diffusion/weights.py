"""Loads safetensors files into networks: every name and shape is checked, and nothing in a file is ever executed."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import init_empty_weights
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..job.errors import BadInput

DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}
PICKLES = (b"\x80", b"PK\x03\x04")  # magic numbers of pickles and of torch's archives of them

Network = TypeVar("Network", bound=nn.Module)


def build_empty(build: Callable[[], Network]) -> Network:
    """A network without weights: its parameters are on the meta device until `load_weights` fills them. Its constants are real."""
    with init_empty_weights(include_buffers=False):
        return build()


def load_weights(
    net: Network,
    path: Path,
    dtype: torch.dtype,
    rename: Callable[[str], str] = str,
    ignore: Collection[str] = (),
    help: str = "get them again",
) -> Network:
    """Fill a network from a file, ready for inference. `rename` maps the file's names to the network's. `ignore` names constants
    that the network computes itself. `help` says how to get the right file.

    Raises BadInput, naming what differs, when the file is not a safetensors file of exactly this network's names and shapes in
    16 or 32 bit floats.
    """
    state = {rename(name): tensor for name, tensor in read_tensors(path, help) if name not in ignore}
    return fill_weights(net, state, path.name, dtype, help)


def fill_weights(net: Network, state: Mapping[str, Tensor], file: str, dtype: torch.dtype, help: str) -> Network:
    """Fill a network with tensors read from the file of that name, ready for inference. Raises BadInput, naming what differs."""
    wanted = {name: tuple(parameter.shape) for name, parameter in net.state_dict().items()}
    compare_shapes({name: tuple(tensor.shape) for name, tensor in state.items()}, wanted, file, help)
    net.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()}, strict=True, assign=True)
    return net.eval().requires_grad_(False)


def compare_shapes(given: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]], file: str, help: str) -> None:
    """Raise BadInput unless both have the same names and shapes."""
    lacking = sorted(wanted.keys() - given.keys())
    if lacking:
        raise BadInput(f"{file} lacks the weights {_list_some(lacking)}: it belongs to another model or version; {help}.")
    surplus = sorted(given.keys() - wanted.keys())
    if surplus:
        raise BadInput(
            f"{file} has weights that the network does not know, {_list_some(surplus)}: it is of another model or version; {help}."
        )
    for name, shape in wanted.items():
        if given[name] != shape:
            raise BadInput(f"The weights {name} in {file} have the shape {list(given[name])} instead of {list(shape)}; {help}.")


def read_config(path: Path, help: str) -> dict:
    """A config.json. Raises BadInput."""
    try:
        config = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"There is no readable {path} ({error.strerror}): {help}.") from error
    except ValueError as error:
        raise BadInput(f"{path} is not valid JSON ({error}): {help}.") from error
    if not isinstance(config, dict):
        raise BadInput(f"{path} is not a network's configuration: {help}.")
    return config


def read_tensors(path: Path, help: str, skip: tuple[str, ...] = ()) -> Iterator[tuple[str, Tensor]]:
    """The names and tensors of a safetensors file, one at a time, except for names that begin with one of `skip`. Raises BadInput as
    `load_weights` does."""
    if not path.is_file():
        raise BadInput(f"There are no weights at {path}: {help}.")
    with open(path, "rb") as file:
        head = file.read(9)
    if head.startswith(PICKLES) and head[8:] != b"{":  # safetensors: 8 bytes of length, which may look like a pickle, then a JSON header
        raise BadInput(f"{path} is a pickle, which can run code and is never opened: {help} as safetensors.")
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  # not a mapping
                if name.startswith(skip):
                    continue
                kind = file.get_slice(name).get_dtype()
                if kind not in DTYPES:
                    raise BadInput(f"The weights {name} in {path.name} are of the type {kind} instead of 16 or 32 bit floats: {help}.")
                yield name, file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path} is damaged or was not downloaded to its end ({error}): {help}.") from error


def _list_some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
