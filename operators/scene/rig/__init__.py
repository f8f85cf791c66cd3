"""Armatures of a scene, and the poses that are read of them."""
