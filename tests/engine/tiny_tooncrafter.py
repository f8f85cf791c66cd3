"""A tiny ToonCrafter with synthetic weights, in the layout of the published files: what it makes means nothing, and it says so.

python tests/engine/tiny_tooncrafter.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parity"))

import synthetic

from engine.models.tooncrafter.weights import CONFIGS

NOTE = "These are random weights for tests: their pictures mean nothing."
OURS = {"first_stage": "vae", "image_proj": "projector"}
META = json.loads((Path(__file__).resolve().parents[1] / "fixtures/tooncrafter/meta.json").read_text("utf-8"))


def configs() -> dict[str, dict]:
    """The settings of the tiny networks, by our names."""
    found = {}
    for name, component in META["components"].items():
        config = component["config"]
        config = next((config[kind] for kind in ("diffusers", "transformers") if kind in config), config)
        part = OURS.get(name, name)
        found[part] = {key: value for key, value in config.items() if key in CONFIGS[part]}
    return found


def state(component: str) -> dict[str, torch.Tensor]:
    """The weights of a component under the published names."""
    shapes = META["components"][component]["shapes"]
    return {name: torch.from_numpy(synthetic.tensor(name, shape, f"tiny/{component}")) for name, shape in shapes.items()}


def make(folder: Path, dtype: torch.dtype = torch.float16) -> Path:
    """Write the set; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {name: tensor for part in META["components"] if part != "sketch_encoder" for name, tensor in state(part).items()}
    whole["betas"] = torch.linspace(0, 1, 1000)
    save(whole, folder / "model.safetensors", dtype)
    save(state("sketch_encoder"), folder / "sketch_encoder.safetensors", dtype)
    (folder / "config.json").write_text(json.dumps({**configs(), "note": NOTE}), encoding="utf-8")
    tokenizer(folder / "tokenizer")
    return folder


def save(tensors: dict[str, torch.Tensor], path: Path, dtype: torch.dtype) -> None:
    save_file({name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}, path)


def tokenizer(folder: Path) -> None:
    """One that knows single bytes, and no more."""
    folder.mkdir(exist_ok=True)
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = [chr(byte) for byte in plain] + [chr(256 + number) for number in range(len(others))]
    words = {word: number for number, word in enumerate([*letters, *(f"{letter}</w>" for letter in letters)])}
    words |= {"<|startoftext|>": 49406, "<|endoftext|>": 49407}
    (folder / "vocab.json").write_text(json.dumps(words), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
