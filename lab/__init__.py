"""The laboratory: what Shiage is trained and measured with. Nothing here is shipped, and nothing shipped imports it."""
