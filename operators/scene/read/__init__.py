"""What is read of a scene: its drawings as the camera sees them."""
