"""Names of the published files: which network each tensor belongs to, and its name there.

One checkpoint has everything, under the names of the code that trained it. `assign_tensors` maps them to the networks' names, and
`publish_tensors` maps them back, so that weights trained here are written in the published layout.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "cond_stage_model.model.",
    "image_encoder": "embedder.model.",
    "projector": "image_proj_model.",
}
BUFFERS = frozenset(
    (
        *(f"{name}alphas_cumprod" for name in ("", "sqrt_", "sqrt_one_minus_", "log_one_minus_", "sqrt_recip_", "sqrt_recipm1_")),
        *("betas", "alphas_cumprod_prev", "posterior_variance", "posterior_log_variance_clipped"),
        *("posterior_mean_coef1", "posterior_mean_coef2", "scale_arr"),
    )
)  # constants that the code computes itself
UNUSED = {  # unused parts of the published files
    "vae": re.compile(r"post_quant_conv\..*"),
    "text_encoder": re.compile(r"text_projection|logit_scale"),  # and the last block
    "image_encoder": re.compile(
        r"positional_embedding|text_projection|logit_scale|token_embedding\.weight|ln_final\..*|visual\.proj|visual\.ln_post\..*"
    ),
}

WRAPPED = 16  # characters before each name in a checkpoint that DeepSpeed wrote

Placed = tuple[str, str, Tensor]  # network, name, tensor


def assign_tensors(state: Iterable[tuple[str, Tensor]], text_blocks: int) -> Iterator[Placed]:
    """Assign the tensors of a checkpoint to networks. Unknown ones keep their name, in a network called ''.

    `text_blocks` blocks of the text encoder are used. The checkpoint has one more.
    """
    known = (*PREFIXES.values(), *BUFFERS)
    for name, tensor in state:
        name = name[WRAPPED:] if name[WRAPPED:].startswith(known) else name
        if name in BUFFERS:
            continue
        part = next((part for part, prefix in PREFIXES.items() if name.startswith(prefix)), "")
        inner = name.removeprefix(PREFIXES.get(part, ""))
        if part in UNUSED and UNUSED[part].fullmatch(inner):
            continue
        if part in ("text_encoder", "image_encoder"):
            if not re.match(rf"transformer\.resblocks\.{text_blocks}\.", inner):
                yield from ((part, *pair) for pair in _rename_tower(inner, tensor))
        elif part == "unet":
            yield (
                part,
                rename_unet(inner),
                _flatten_matrix(tensor) if re.fullmatch(r"init_attn\.0\.proj_(in|out)\.weight", inner) else tensor,
            )
        elif part == "vae":
            yield (
                part,
                rename_vae(inner),
                _flatten_matrix(tensor) if re.fullmatch(r".*\.attn_1\.(q|k|v|proj_out)\.weight", inner) else tensor,
            )
        else:
            yield part, inner, tensor


def publish_tensors(state: Mapping[str, Tensor], part: str, known: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, Tensor]]:
    """A network's tensors under published names. `known` are the names and shapes of a checkpoint of ToonCrafter or DynamiCrafter."""
    prefix = PREFIXES["unet" if part == "sketch_encoder" else part]
    names = [name.removeprefix(prefix) for name in known if name.startswith(prefix)]
    if part == "sketch_encoder":
        ours, prefix = rename_sketch_encoder, ""
        names = [re.sub(r"^middle_block\.3\.", "middle_block.2.", name) for name in names if not name.startswith("middle_block.2.")]
        layers = [
            *(f"zero_convs.{number}.0" for number in range(12)),
            "middle_block_out.0",
            *(f"input_hint_block.{n}" for n in range(0, 15, 2)),
        ]
        names += [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    else:
        ours = {"unet": rename_unet, "vae": rename_vae}.get(part, str)
        if part == "vae":  # what DynamiCrafter's decoder lacks
            blocks = sorted({found[1] for name in names if (found := re.match(r"(decoder\.(?:mid|up\.\d)\.block[._]\d\.)", name))})
            names += [f"{block}time_stack.{layer}.{kind}" for block in blocks for layer in _TEMPORAL for kind in ("weight", "bias")]
            names += [f"{block}mix_factor" for block in blocks]
            names += [f"decoder.conv_out.time_mix_conv.{kind}" for kind in ("weight", "bias")]
            names += [name for name in state if name.startswith("decoder.attn_refinement.")]
    back = {ours(name): prefix + name for name in names}
    for name, tensor in state.items():
        yield back[name], tensor.reshape(known.get(back[name], tensor.shape))


def _flatten_matrix(tensor: Tensor) -> Tensor:
    """The matrix of a 1 x 1 convolution."""
    return tensor.flatten(1)


# --- the UNet and the sketch encoder ------------------------------------------------------------------------------

_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_TOP = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "fps_embedding.0": "fps_embedding.linear_1",
    "fps_embedding.2": "fps_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "init_attn.0": "transformer_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
    "middle_block_out.0": "controlnet_mid_block",
    "input_hint_block.0": "controlnet_cond_embedding.conv_in",
    "input_hint_block.14": "controlnet_cond_embedding.conv_out",
    **{f"input_hint_block.{2 * i + 2}": f"controlnet_cond_embedding.blocks.{i}" for i in range(6)},
}
_PARTS = ("", "attentions", "temp_attentions")  # of a block: its resnet, its transformers


def rename_unet(name: str) -> str:
    """Rename a tensor of the UNet, given without prefix. Unknown names are returned unchanged."""
    for begin, ours in _TOP.items():
        if name.startswith(begin + "."):
            return ours + name.removeprefix(begin)
    found = re.fullmatch(r"(input|output|middle)_blocks?\.(\d+)\.(?:(\d+)\.)?(.*)", name)
    if found is None:
        return name
    side, number, part, rest = found[1], int(found[2]), found[3], found[4]
    if side == "middle":
        part, rest = number, name.split(".", 2)[2]
        if part in (1, 2):
            return f"mid_block.{_PARTS[part]}.0.{rest}"
        return _rename_resnet("mid_block", part // 3, rest)
    if part is None:
        return name
    block, layer = divmod(number - (side == "input"), 3)
    where, kind = f"{'down' if side == 'input' else 'up'}_blocks.{block}", int(part)
    if side == "input" and layer == 2:
        return f"{where}.downsamplers.0.conv.{rest.removeprefix('op.')}"
    if kind > 0 and rest.startswith("conv."):
        return f"{where}.upsamplers.0.{rest}"
    if kind in (1, 2):
        return f"{where}.{_PARTS[kind]}.{layer}.{rest}"
    return _rename_resnet(where, layer, rest) if kind == 0 else name


def _rename_resnet(where: str, layer: int, rest: str) -> str:
    if rest.startswith("temopral_conv."):
        return f"{where}.temp_convs.{layer}.{rest.removeprefix('temopral_conv.')}"
    for begin, ours in _RESNET.items():
        if rest.startswith(begin + "."):
            return f"{where}.resnets.{layer}.{ours}{rest.removeprefix(begin)}"
    return f"{where}.resnets.{layer}.{rest}"


def rename_sketch_encoder(name: str) -> str:
    """Rename a tensor of the sketch encoder's published file."""
    if found := re.fullmatch(r"zero_convs\.(\d+)\.0\.(.*)", name):
        return f"controlnet_down_blocks.{found[1]}.{found[2]}"
    if name.startswith("middle_block.2."):
        return _rename_resnet("mid_block", 1, name.removeprefix("middle_block.2."))
    return rename_unet(name)


# --- the autoencoder ----------------------------------------------------------------------------------------------

_VAE = (
    (r"(encoder|decoder)\.mid\.block_(\d)\.", lambda m: f"{m[1]}.mid_block.resnets.{int(m[2]) - 1}."),
    (r"(encoder|decoder)\.mid\.attn_1\.norm\.", r"\1.mid_block.attentions.0.group_norm."),
    (r"(encoder|decoder)\.mid\.attn_1\.(q|k|v)\.", r"\1.mid_block.attentions.0.to_\2."),
    (r"(encoder|decoder)\.mid\.attn_1\.proj_out\.", r"\1.mid_block.attentions.0.to_out.0."),
    (r"encoder\.down\.(\d)\.block\.(\d)\.", r"encoder.down_blocks.\1.resnets.\2."),
    (r"encoder\.down\.(\d)\.downsample\.", r"encoder.down_blocks.\1.downsamplers.0."),
    (r"decoder\.up\.(\d)\.block\.(\d)\.", lambda m: f"decoder.up_blocks.{3 - int(m[1])}.resnets.{m[2]}."),
    (r"decoder\.up\.(\d)\.upsample\.", lambda m: f"decoder.up_blocks.{3 - int(m[1])}.upsamplers.0."),
    (r"(encoder|decoder)\.norm_out\.", r"\1.conv_norm_out."),
    (r"decoder\.conv_out\.time_mix_conv\.", r"decoder.time_conv_out."),
)
_TEMPORAL = {"in_layers.0": "norm1", "in_layers.2": "conv1", "out_layers.0": "norm2", "out_layers.3": "conv2"}


def rename_vae(name: str) -> str:
    """Rename a tensor of the autoencoder, given without prefix."""
    for pattern, ours in _VAE:
        name, count = re.subn(f"^{pattern}", ours, name)
        if count:
            break
    name = name.replace("nin_shortcut", "conv_shortcut")
    found = re.fullmatch(r"(decoder\..*\.resnets\.\d\.)(.*)", name)
    if found is None:
        return name
    where, rest = found.groups()
    if rest == "mix_factor":
        return f"{where}time_mixer.mix_factor"
    if rest.startswith("time_stack."):
        layer, _, kind = rest.removeprefix("time_stack.").rpartition(".")
        return f"{where}temporal_res_block.{_TEMPORAL.get(layer, layer)}.{kind}"
    return f"{where}spatial_res_block.{rest}"


# --- CLIP ---------------------------------------------------------------------------------------------------------

_CLIP = {
    "token_embedding.": "embeddings.token_embedding.",
    "ln_final.": "final_layer_norm.",
    "visual.conv1.": "embeddings.patch_embedding.",
    "visual.ln_pre.": "pre_layrnorm.",
}
_CLIP_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}


def _rename_tower(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Convert a tensor of OpenCLIP to those of transformers."""
    if name in ("positional_embedding", "visual.positional_embedding"):
        yield "embeddings.position_embedding.weight", tensor
        return
    if name == "visual.class_embedding":
        yield "embeddings.class_embedding", tensor
        return
    found = re.fullmatch(r"(?:visual\.)?transformer\.resblocks\.(\d+)\.(.*)", name)
    if found is None:
        ours = next((ours + name.removeprefix(theirs) for theirs, ours in _CLIP.items() if name.startswith(theirs)), name)
        yield ours, tensor
        return
    where, rest = f"encoder.layers.{found[1]}", found[2]
    if rest.startswith("attn.in_proj_"):
        kind = rest.removeprefix("attn.in_proj_")
        for letter, part in zip("qkv", tensor.chunk(3), strict=True):
            yield f"{where}.self_attn.{letter}_proj.{kind}", part
        return
    layer, _, kind = rest.rpartition(".")
    yield f"{where}.{_CLIP_BLOCK.get(layer, layer)}.{kind}", tensor


def select_tower(state: Iterable[tuple[str, Tensor]], tower: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors of one encoder, 'text_model' or 'vision_model', in a file of transformers, which may have more of CLIP."""
    for name, tensor in state:
        if name.startswith(f"{tower}.") and not name.endswith("position_ids"):
            inner = name.removeprefix(f"{tower}.")
            if not inner.startswith("post_layernorm."):  # not used
                yield inner, tensor


def build_meta_tensors(shapes: Mapping[str, Iterable[int]]) -> Iterator[tuple[str, Tensor]]:
    """Empty tensors of these names and shapes, on the meta device."""
    for name, shape in shapes.items():
        yield name, torch.empty(tuple(shape), device="meta")
