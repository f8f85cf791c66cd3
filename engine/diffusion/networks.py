"""The UNet of Stable Video Diffusion with residuals, and the ControlNet that computes them from a condition for each frame.

All latents are (B, F, C, h, w), conditions (B, F, c, 8 h, 8 w); h and w divide by 8. Names of parameters are those of diffusers, and of
AniDoc's published files. The channels of a condition depend on the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.unets.unet_3d_blocks import UNetMidBlockSpatioTemporal, get_down_block
from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionModel
from torch import Tensor, nn
from torch.nn import functional

from .svd import embed_time, run_down, run_up

REPEATED = ["BasicTransformerBlock", "TemporalBasicTransformerBlock"]  # what is compiled once for all


@dataclass(frozen=True)
class Residuals:
    """The output of the ControlNet, which is added to each skip (B * F, C, h, w), the input's first, and to the output of the middle
    block."""

    skips: tuple[Tensor, ...]
    middle: Tensor


class SvdUNet(UNetSpatioTemporalConditionModel):
    """The UNet. Only the residuals of `forward` differ from its parent."""

    _repeated_blocks = REPEATED

    def forward(self, sample: Tensor, timestep: Tensor, token: Tensor, time_ids: Tensor, residuals: Residuals | None = None) -> Tensor:
        """The prediction (B, F, 4, h, w) for 8 channels of noisy and reference latents. `timestep` is one number or (B,), `token`
        (B, 1, C), `time_ids` (B, 3)."""
        frames = sample.shape[1]
        embedding = embed_time(self, timestep, time_ids, frames, sample.dtype)
        context = token.repeat_interleave(frames, dim=0)
        skips, hidden = run_down(self, self.conv_in(sample.flatten(0, 1)), embedding, context, frames)
        if residuals is not None:
            skips = [skip + more for skip, more in zip(skips, residuals.skips, strict=True)]
            hidden = hidden + residuals.middle
        return run_up(self, hidden, skips, embedding, context, frames).unflatten(0, (-1, frames))


class SvdControlNet(ModelMixin, ConfigMixin):
    """A copy of the UNet's down path and middle block, with layers that embed the condition and output the residuals."""

    _supports_gradient_checkpointing = True
    _repeated_blocks = REPEATED

    @register_to_config
    def __init__(
        self,
        num_attention_heads: Sequence[int] = (5, 10, 20, 20),
        sample_size: int | None = None,
        in_channels: int = 8,
        out_channels: int = 4,
        down_block_types: Sequence[str] = ("CrossAttnDownBlockSpatioTemporal",) * 3 + ("DownBlockSpatioTemporal",),
        up_block_types: Sequence[str] = ("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * 3,
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        addition_time_embed_dim: int = 256,
        projection_class_embeddings_input_dim: int = 768,
        layers_per_block: int = 2,
        cross_attention_dim: int = 1024,
        transformer_layers_per_block: int = 1,
        num_frames: int = 25,
        conditioning_channels: int = 8,
        conditioning_embedding_out_channels: Sequence[int] = (16, 32, 96, 256),
    ) -> None:
        super().__init__()
        widths, blocks = list(block_out_channels), len(block_out_channels)
        heads = [num_attention_heads] * blocks if isinstance(num_attention_heads, int) else list(num_attention_heads)
        time = widths[0] * 4
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.time_proj = Timesteps(widths[0], True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(widths[0], time)
        self.add_time_proj = Timesteps(addition_time_embed_dim, True, downscale_freq_shift=0)
        self.add_embedding = TimestepEmbedding(projection_class_embeddings_input_dim, time)
        self.controlnet_cond_embedding = ConditionEmbedding(conditioning_channels, conditioning_embedding_out_channels, widths[0])
        self.down_blocks = nn.ModuleList()
        outs = [widths[0]]
        for i, kind in enumerate(down_block_types):
            last = i == blocks - 1
            self.down_blocks.append(
                get_down_block(
                    kind,
                    num_layers=layers_per_block,
                    transformer_layers_per_block=transformer_layers_per_block,
                    in_channels=widths[max(i - 1, 0)],
                    out_channels=widths[i],
                    temb_channels=time,
                    add_downsample=not last,
                    resnet_eps=1e-5,
                    cross_attention_dim=cross_attention_dim,
                    num_attention_heads=heads[i],
                    resnet_act_fn="silu",
                )
            )
            outs += [widths[i]] * (layers_per_block + (not last))
        self.mid_block = UNetMidBlockSpatioTemporal(
            widths[-1],
            temb_channels=time,
            transformer_layers_per_block=transformer_layers_per_block,
            cross_attention_dim=cross_attention_dim,
            num_attention_heads=heads[-1],
        )
        self.controlnet_down_blocks = nn.ModuleList(_zero_weights(nn.Conv2d(width, width, 1)) for width in outs)
        self.controlnet_mid_block = _zero_weights(nn.Conv2d(widths[-1], widths[-1], 1))

    def forward(self, sample: Tensor, timestep: Tensor, token: Tensor, time_ids: Tensor, hint: Tensor, scale: float = 1.0) -> Residuals:
        """The residuals. `hint` is the output of `embed_condition`, for this batch or for one sample that all share."""
        batch, frames = sample.shape[:2]
        embedding = embed_time(self, timestep, time_ids, frames, sample.dtype)
        context = token.repeat_interleave(frames, dim=0)
        hidden = self.conv_in(sample.flatten(0, 1)) + hint.repeat(batch * frames // len(hint), 1, 1, 1)
        skips, middle = run_down(self, hidden, embedding, context, frames)
        scaled = tuple(conv(skip) * scale for conv, skip in zip(self.controlnet_down_blocks, skips, strict=True))
        return Residuals(scaled, self.controlnet_mid_block(middle) * scale)

    def embed_condition(self, condition: Tensor) -> Tensor:
        """(B, F, c, 8 h, 8 w) to (B * F, C, h, w). It does not depend on the timestep: once per clip is enough."""
        return self.controlnet_cond_embedding(condition.flatten(0, 1))

    @classmethod
    def from_unet(cls, unet: SvdUNet, channels: int = 8) -> "SvdControlNet":
        """A ControlNet to be trained, for conditions with `channels` channels: it starts as a copy of the UNet whose residuals are 0."""
        config = {name: value for name, value in unet.config.items() if not name.startswith("_")}
        net = cls(**{**config, "conditioning_channels": channels})
        for part in ("conv_in", "time_embedding", "add_embedding", "down_blocks", "mid_block"):
            getattr(net, part).load_state_dict(getattr(unet, part).state_dict())
        return net


class ConditionEmbedding(nn.Module):
    """Embeds the condition: eight times smaller, with as many channels as the network's first layer."""

    def __init__(self, channels: int, widths: Sequence[int], out: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for narrow, wide in zip(widths, widths[1:], strict=False):
            self.blocks.append(nn.Conv2d(narrow, narrow, 3, padding=1))
            self.blocks.append(nn.Conv2d(narrow, wide, 3, padding=1, stride=2))
        self.conv_out = _zero_weights(nn.Conv2d(widths[-1], out, 3, padding=1))

    def forward(self, condition: Tensor) -> Tensor:
        hidden = functional.silu(self.conv_in(condition))
        for block in self.blocks:
            hidden = functional.silu(block(hidden))
        return self.conv_out(hidden)


def _zero_weights(layer: nn.Conv2d) -> nn.Conv2d:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    return layer
