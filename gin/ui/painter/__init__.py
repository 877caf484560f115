"""Painting a mask on a photograph, in a notebook or on a page without a kernel."""

from gin.ui.painter.painter import MaskPainter

__all__ = ["MaskPainter"]
