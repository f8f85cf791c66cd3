"""Training, training data and benchmarks of the diffusion models."""
