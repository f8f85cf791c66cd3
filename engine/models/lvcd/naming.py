"""Maps names of published weights, which have the layout of Stability AI's code, to those of diffusers' and transformers' networks.

Files: svd.safetensors (all of Stable Video Diffusion), and lvcd.ckpt or lvcd-fp16.safetensors (the ControlNet, the UNet's self-attention).
"""

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

UNET, CONTROL, VAE = "model.diffusion_model.", "control_model.", "first_stage_model."
CLIP = "conditioner.embedders.0.open_clip.model."
# Unused parts of Stable Video Diffusion's file: CLIP's text encoder, and a second copy of the VAE's encoder.
UNUSED = ("conditioner.embedders.3.encoder.", *(CLIP + part for part in ("logit_scale", "ln_final.", "positional_embedding")))
UNUSED += tuple(CLIP + part for part in ("text_projection", "token_embedding.", "transformer."))

_WHOLE = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
    "input_blocks.0.0": "conv_in",
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
    "middle_block_out.0": "controlnet_mid_block",
}
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "emb_layers.1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}
_VAE = (
    (r"encoder\.down\.(\d)\.block\.", r"encoder.down_blocks.\1.resnets."),
    (r"encoder\.down\.(\d)\.downsample\.", r"encoder.down_blocks.\1.downsamplers.0."),
    (r"decoder\.up\.(\d)\.block\.", lambda m: f"decoder.up_blocks.{3 - int(m[1])}.resnets."),
    (r"decoder\.up\.(\d)\.upsample\.", lambda m: f"decoder.up_blocks.{3 - int(m[1])}.upsamplers.0."),
    (r"mid\.block_(\d)\.", lambda m: f"mid_block.resnets.{int(m[1]) - 1}."),
    (r"mid\.attn_1\.norm\.", "mid_block.attentions.0.group_norm."),
    (r"mid\.attn_1\.([qkv])\.", r"mid_block.attentions.0.to_\1."),
    (r"mid\.attn_1\.proj_out\.", "mid_block.attentions.0.to_out.0."),
    (r"\bnorm_out\.", "conv_norm_out."),
    (r"conv_out\.time_mix_conv\.", "time_conv_out."),
    (r"nin_shortcut", "conv_shortcut"),
)
_CLIP = {
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "ln_pre.weight": "pre_layrnorm.weight",
    "ln_pre.bias": "pre_layrnorm.bias",
    "ln_post.weight": "post_layernorm.weight",
    "ln_post.bias": "post_layernorm.bias",
}
_CLIP_LAYER = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}


def rename_denoiser(name: str) -> str:
    """Rename a tensor of the UNet or the ControlNet, given without prefix. Unknown names are returned unchanged, and reported later."""
    for old, new in _WHOLE.items():
        if name.startswith(f"{old}."):
            return _rename_inside(f"{new}.", name.removeprefix(f"{old}."))
    if found := re.match(r"zero_convs\.(\d+)\.0\.(.*)", name):
        return f"controlnet_down_blocks.{found[1]}.{found[2]}"
    if found := re.match(r"input_hint_block\.(\d+)\.(.*)", name):
        place = int(found[1]) // 2
        layer = "conv_in" if place == 0 else "conv_out" if place == 7 else f"blocks.{place - 1}"
        return f"controlnet_cond_embedding.{layer}.{found[2]}"
    if found := re.match(r"(in|out)put_blocks\.(\d+)\.(\d)\.(.*)", name):
        down, rest = found[1] == "in", found[4]
        block, layer = divmod(int(found[2]) - down, 3)
        side = "down" if down else "up"
        if down and rest.startswith("op."):
            return f"down_blocks.{block}.downsamplers.0.conv.{rest.removeprefix('op.')}"
        if not down and found[3] != "0" and rest.startswith("conv."):
            return f"up_blocks.{block}.upsamplers.0.{rest}"
        return _rename_inside(f"{side}_blocks.{block}.{'resnets' if found[3] == '0' else 'attentions'}.{layer}.", rest)
    return name


def _rename_inside(prefix: str, rest: str) -> str:
    if ".attentions." in prefix:
        rest = rest.replace("time_stack.", "temporal_transformer_blocks.")
        return prefix + rest.replace("time_pos_embed.0.", "time_pos_embed.linear_1.").replace(
            "time_pos_embed.2.", "time_pos_embed.linear_2."
        )
    if ".resnets." in prefix:
        return prefix + _rename_resnet(rest)
    return prefix + rest


def _rename_resnet(rest: str) -> str:
    if rest.startswith("time_mixer."):
        return rest
    part = "temporal_res_block" if rest.startswith("time_stack.") else "spatial_res_block"
    rest = rest.removeprefix("time_stack.")
    for old, new in _RESNET.items():
        if rest.startswith(f"{old}."):
            rest = f"{new}.{rest.removeprefix(f'{old}.')}"
    return f"{part}.{rest}"


def rename_vae(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The VAE's weights under diffusers' names. The layer after the encoder, which the published file lacks, becomes the identity."""
    made = {}
    for name, tensor in state.items():
        for pattern, to in _VAE:
            name = re.sub(pattern, to, name)
        if found := re.match(r"(decoder\.(?:mid_block|up_blocks\.\d)\.resnets\.\d\.)(.*)", name):
            name = found[1] + ("time_mixer.mix_factor" if found[2] == "mix_factor" else _rename_resnet(found[2]))
        if ".attentions.0.to_" in name and tensor.dim() == 4:
            tensor = tensor[:, :, 0, 0]
        made[name] = tensor
    channels = made["encoder.conv_out.bias"].shape[0]
    identity = torch.eye(channels).view(channels, channels, 1, 1)
    return made | {"quant_conv.weight": identity, "quant_conv.bias": torch.zeros(channels)}


def rename_image_encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of CLIP's image encoder under transformers' names."""
    made = {}
    for name, tensor in state.items():
        layer = re.match(r"transformer\.resblocks\.(\d+)\.(.*)", name)
        if name == "proj":
            made["visual_projection.weight"] = tensor.T.contiguous()
        elif layer and (kind := re.fullmatch(r"attn\.in_proj_(weight|bias)", layer[2])):
            for part, third in zip("qkv", tensor.chunk(3), strict=True):
                made[f"vision_model.encoder.layers.{layer[1]}.self_attn.{part}_proj.{kind[1]}"] = third.contiguous()
        elif layer:
            inner, _, kind = layer[2].rpartition(".")
            made[f"vision_model.encoder.layers.{layer[1]}.{_CLIP_LAYER.get(inner, inner)}.{kind}"] = tensor
        else:
            made[f"vision_model.{_CLIP.get(name, name)}"] = tensor
    return made


def rename_denoisers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the UNet or the ControlNet under diffusers' names."""
    return {rename_denoiser(name): tensor for name, tensor in state.items()}


# A part of Stable Video Diffusion: the prefix of its names in the file, and how its weights are renamed.
PARTS: Mapping[str, tuple[str, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]]] = {
    "unet": (UNET, rename_denoisers),
    "vae": (VAE, rename_vae),
    "image_encoder": (CLIP + "visual.", rename_image_encoder),
}
