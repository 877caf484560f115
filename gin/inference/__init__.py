"""Inference on photographs of any size: passes of the network, crops, seams."""
