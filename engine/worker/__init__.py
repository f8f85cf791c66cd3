"""What the engine's process runs: jobs, for Blender, the shell and farms alike."""
