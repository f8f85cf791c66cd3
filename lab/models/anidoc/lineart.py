"""The line-art generator of "informative drawings", which made AniDoc's training sketches from color frames."""

import numpy as np
import torch
from torch import Tensor, nn

THRESHOLD = 200  # paper is lighter than this, of 255


class LineArt(nn.Module):
    """Converts pictures (B, 3, H, W) in 0..1 to lines (B, 1, H, W), dark on white. H and W must be divisible by 4."""

    def __init__(self, input_nc: int = 3, output_nc: int = 1, n_residual_blocks: int = 3) -> None:
        super().__init__()
        self.model0 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(input_nc, 64, 7), *_build_norm(64))
        self.model1 = nn.Sequential(*_build_down(64, 128), *_build_down(128, 256))
        self.model2 = nn.Sequential(*(Residual(256) for _ in range(n_residual_blocks)))
        self.model3 = nn.Sequential(*_build_up(256, 128), *_build_up(128, 64))
        self.model4 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(64, output_nc, 7), nn.Sigmoid())

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model4(self.model3(self.model2(self.model1(self.model0(pictures)))))


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3)]
        again = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3)]
        self.conv_block = nn.Sequential(*half, *_build_norm(width), *again, nn.InstanceNorm2d(width))

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.conv_block(hidden)


def _build_norm(width: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(width), nn.ReLU()


def _build_down(narrow: int, wide: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(narrow, wide, 3, stride=2, padding=1), *_build_norm(wide)


def _build_up(wide: int, narrow: int) -> tuple[nn.Module, ...]:
    return nn.ConvTranspose2d(wide, narrow, 3, stride=2, padding=1, output_padding=1), *_build_norm(narrow)


def convert_to_gray(lines: Tensor) -> np.ndarray:
    """Convert the generator's output to uint8 (..., H, W), truncated and not rounded, as in AniDoc."""
    return (lines.detach() * 255.0).clamp(0, 255).to(torch.uint8).squeeze(-3).cpu().numpy()


def binarize_lines(lines: np.ndarray) -> np.ndarray:
    """Binarize lines: 0 on lines, 255 on paper."""
    return np.where(lines > THRESHOLD, 255, 0).astype(np.uint8)
