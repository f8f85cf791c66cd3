"""Parity fixtures: inputs and outputs of the original networks, whose weights are made anew from names and shapes.

Fixtures lie in PARITY_FIXTURES/<model>, or in tests/fixtures/<model>, which holds as many of them as a clone should carry.
"""

import hashlib
import json
import math
import os
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(os.environ.get("PARITY_FIXTURES") or Path(__file__).parents[1] / "fixtures")


def meta(model: str) -> dict:
    return json.loads((FOLDER / model / "meta.json").read_text("utf-8"))


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
