"""Photographs and masks: sources, transforms, batches."""
