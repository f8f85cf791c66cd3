"""Blender's side of the engine: the client of its process, its environment and its weights. Standard library only."""
