"""Both stages of training (section 5.1)."""
