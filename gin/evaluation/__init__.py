"""Protocols, metrics, evaluation and reports."""
