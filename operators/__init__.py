"""What acts on Blender. Thin: gather, hand over a job, report."""
