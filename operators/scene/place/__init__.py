"""Where finished pictures go in a scene."""
