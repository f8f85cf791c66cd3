"""A job's cels, for models that paint pictures of them: references and drawings read, pictures brought to exact swatches, hints heeded."""
