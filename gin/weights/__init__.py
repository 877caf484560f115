"""Checkpoint files, downloads and exports."""
