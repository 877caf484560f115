"""A painter of masks for notebooks and for pages without a kernel."""

from gin.ui.painter.painter import MaskPainter

__all__ = ["MaskPainter"]
