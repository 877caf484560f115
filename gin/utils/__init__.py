"""Files, images and devices."""
