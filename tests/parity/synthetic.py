"""Parity fixtures: inputs and outputs of the original networks, whose weights are made anew from names and shapes.

Fixtures lie in PARITY_FIXTURES/<model>, or in tests/fixtures/<model>, which holds as many of them as a clone should carry, the largest
cut by `cut_fixtures.py`.
"""

import functools
import hashlib
import json
import lzma
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load

FOLDER = Path(os.environ.get("PARITY_FIXTURES") or Path(__file__).parents[1] / "fixtures")


@functools.cache
def meta(model: str) -> dict:
    return json.loads((FOLDER / model / "meta.json").read_text("utf-8"))


def list_cases(model: str, prefix: str, suffix: str = ".safetensors") -> list:
    """The cases of a kind that meta.json names, for `parametrize`: one that is missing fails when it is opened. For a kind without a case
    one that is skipped and says so."""
    found = [name for name in meta(model)["cases"] if name.startswith(prefix) and name.endswith(suffix)]
    reason = f"no fixture {model}/{prefix}*{suffix} in {FOLDER}: PARITY_FIXTURES names a folder with the full set"
    return found or [pytest.param(f"{prefix}*{suffix}", marks=pytest.mark.skip(reason=reason))]


def read_fixture(path: Path) -> bytes:
    """The content of a fixture, which may lie there packed as .xz."""
    return path.read_bytes() if path.is_file() else lzma.decompress(path.with_name(f"{path.name}.xz").read_bytes())


def read_case(model: str, name: str) -> dict[str, torch.Tensor]:
    """The tensors of a case."""
    return load(read_fixture(FOLDER / model / name))


def read_norms(model: str, name: str) -> dict[str, float | None]:
    """A case in JSON: the norm of each parameter's gradient, None where none reaches it."""
    return json.loads(read_fixture(FOLDER / model / name))


def keep_stored(model: str, name: str, key: str, made: torch.Tensor) -> torch.Tensor:
    """Of a tensor that a test made what the case stores of it: all, or the frames, rows or tokens that its cut kept."""
    dimension, kept = meta(model).get("cuts", {}).get(name, {}).get(key, (0, None))
    return made if kept is None else made.index_select(dimension, torch.tensor(kept))


def read_number(model: str, name: str, pattern: str, default: float | None = None) -> float:
    """A number from the description of a case."""
    found = re.search(pattern, meta(model)["cases"][name])
    if found is None:
        assert default is not None, f"{name} does not say {pattern}"
        return default
    return float(found[1])


def tensor(name: str, shape: list[int], salt: str) -> np.ndarray:
    """A weight: a standard normal draw from a seed that its name and the salt give, scaled so that signals keep their size."""
    seed = hashlib.sha256(f"{salt}:{name}".encode()).digest()[:8]
    values = np.asarray(np.random.default_rng(int.from_bytes(seed, "little")).standard_normal(tuple(shape), dtype=np.float32))
    if not name.endswith("mix_factor"):
        if len(shape) > 1:
            values = values / math.sqrt(math.prod(shape[1:]))
        else:
            values = 1 + 0.1 * values if name.endswith(".weight") else 0.1 * values
    return np.asarray(values, np.float32)


def state(model: str, component: str) -> dict[str, torch.Tensor]:
    """All weights of a component, under the names of the published files."""
    about = meta(model)
    shapes = about["components"][component]["shapes"]
    return {name: torch.from_numpy(tensor(name, shape, f"{about['salt']}/{component}")) for name, shape in shapes.items()}
