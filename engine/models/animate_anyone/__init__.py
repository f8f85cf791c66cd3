"""Animate Anyone: a character in given poses, after Hu and others, 2023 (arXiv 2311.17117), for the weights of Moore Threads."""
