"""The training and the benchmarks of each diffusion model, a folder each."""
