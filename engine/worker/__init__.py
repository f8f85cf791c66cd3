"""Runs jobs in the engine process, for Blender, the shell and farms."""
