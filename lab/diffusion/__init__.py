"""How the diffusion models are trained, on what, and how fast they are."""
