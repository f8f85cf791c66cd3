"""Blender's side of the engine: the client of the engine process, the Python environment, the weights. Standard library only."""
