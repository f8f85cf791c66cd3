"""What the diffusion models here share: weights, devices and memory, the blocks of Stable Video Diffusion, sampling in windows."""
