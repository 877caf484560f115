"""What completes a photograph of any size: passes, crops, seams."""
