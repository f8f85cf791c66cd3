"""How good the paint is: measured on drawings whose true paint is known, beside simple methods, with pictures of what went wrong."""
