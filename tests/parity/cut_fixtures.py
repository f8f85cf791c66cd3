"""Cuts the largest parity fixtures down to what a clone carries.

    python tests/parity/cut_fixtures.py FOLDER    the full set

Nothing is computed anew but one input: instead of the condition that AniDoc's ControlNet embeds, which is most of a case, its embedding.
Inputs stay whole. Of outputs that say the same thing many times some frames, rows or tokens stay; meta.json says under `cuts` which.
"""

import json
import lzma
import re
import sys
from pathlib import Path

import synthetic
import torch
from safetensors.torch import load_file, save

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.models.anidoc.networks import BUILDERS

SHIPPED = Path(__file__).resolve().parents[1] / "fixtures"
EMBEDDING = "The clone's cut: in.cond_embedding (frames, C, h, w) is the embedding of in.controlnet_cond. "
DROPPED = {  # {model: {case: patterns of the names that are left out}}
    "anidoc": {
        "nets_b1.safetensors": [r"trace\..*", r"out\.controlnet\.down\.([0-4]|[7-9]|10)"],
        "nets_b2_cfg.safetensors": [r"out\.controlnet\.down\.([0-5]|[7-9]|10)", r"out\.per_sample\.controlnet\.down\.[05]"],
        "clip_preprocess.safetensors": [],
    },
    "animate_anyone": {"pipeline.safetensors": [r"out\.[vt]\..*", r"out\.latents\.[12]"]},
    "tooncrafter": {
        "conditioning.safetensors": [],
        "sketch_encoder.safetensors": [],
        "train_step.safetensors": [r"out\.grad\.model\.diffusion_model\.middle_block\.1\..*"],
    },
}
ROWS, FRAMES = list(range(0, 224, 16)), [0, 7, 15]
CUTS = {  # {model: {case: {tensor: (dimension, what is kept of it)}}}
    "anidoc": {"clip_preprocess.safetensors": {"out.pixel_values": (2, ROWS)}},
    "animate_anyone": {
        "pipeline.safetensors": {
            "out.clip_pixel_values": (2, ROWS),
            "out.reference_tensor": (2, list(range(0, 128, 8))),
            "out.pose_tensor_frame0": (2, list(range(0, 128, 8))),
            "out.video": (2, [0, 29]),
        }
    },
    "tooncrafter": {
        "conditioning.safetensors": {
            "out.clip_pixels": (2, ROWS),
            "out.image_context": (1, list(range(0, 256, 4))),
            "out.zero_image_context": (1, list(range(0, 256, 4))),
        },
        "sketch_encoder.safetensors": {f"out.residual{index}": (0, FRAMES[1:2] if index < 3 else FRAMES) for index in range(13)},
        "train_step.safetensors": {"out.noisy": (2, FRAMES), "out.target": (2, FRAMES)},
    },
}


def cut_case(full: Path, model: str, case: str) -> dict[str, torch.Tensor]:
    """What a clone carries of a case of the full set."""
    dropped = re.compile("|".join(DROPPED[model][case]))
    tensors = {name: tensor for name, tensor in load_file(full / model / case).items() if not dropped.fullmatch(name)}
    if "in.controlnet_cond" in tensors:
        tensors["in.cond_embedding"] = embed_condition(tensors.pop("in.controlnet_cond"))
    for name, (dimension, kept) in CUTS[model].get(case, {}).items():
        tensors[name] = tensors[name].index_select(dimension, torch.tensor(kept))
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


@torch.inference_mode()
def embed_condition(condition: torch.Tensor) -> torch.Tensor:
    """AniDoc's condition (B, F, 8, H, W) by the layers that take it in, (B * F, C, H / 8, W / 8)."""
    controlnet = BUILDERS["controlnet"](synthetic.meta("anidoc")["components"]["controlnet"]["config"])
    controlnet.load_state_dict(synthetic.state("anidoc", "controlnet"), strict=True)
    return controlnet.eval().embed_condition(condition).clone()


def cut_norms(norms: dict[str, float | None]) -> dict[str, float | None]:
    """The norms of AniDoc's gradients: none reaches the layers before the embedding."""
    return {name: None if ".controlnet_cond_embedding." in name else norm for name, norm in norms.items()}


def write_cuts(full: Path, model: str) -> None:
    described = json.loads((full / model / "meta.json").read_text("utf-8"))["cases"]
    about = json.loads((SHIPPED / model / "meta.json").read_text("utf-8"))
    for case in DROPPED[model]:
        (SHIPPED / model / f"{case}.xz").write_bytes(lzma.compress(save(cut_case(full, model, case)), preset=9))
        about["cases"][case] = (EMBEDDING if case.startswith("nets_") else "") + described[case]
    if model == "anidoc":
        name = "nets_b1_gradnorms.json"
        norms = cut_norms(json.loads((full / model / name).read_text("utf-8")))
        (SHIPPED / model / f"{name}.xz").write_bytes(lzma.compress(json.dumps(norms, separators=(",", ":")).encode(), preset=9))
        about["cases"][name] = described[name]
    about["cuts"] = CUTS[model]
    (SHIPPED / model / "meta.json").write_text(json.dumps(about, separators=(",", ":")), "utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for each in DROPPED:
        write_cuts(Path(sys.argv[1]), each)
