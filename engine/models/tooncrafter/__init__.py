"""ToonCrafter: the pictures between two painted keys, after Xing and others, 2024 (arXiv 2405.17933)."""
