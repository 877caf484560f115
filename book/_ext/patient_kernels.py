"""Sphinx extension: no cell with a widget waits for a reply that has long arrived.

While a cell runs, nbclient plays the browser to ipywidgets' Output (every `interact`
has one) and tells the kernel what the widget shows. It sends that through the socket on
which the cell's reply is awaited. Sending takes note of a reply that arrives just then,
the waiting side is not told, and the build sleeps until the cell's timeout
(jupyter/nbclient#312). Nothing in a build reads what is told to the kernel, so it is
left unsaid; the site's copy of the widget is kept by nbclient itself.
"""

from nbclient.output_widget import OutputWidget
from sphinx.application import Sphinx


def patch() -> None:
    """Leave unsaid what would be told to the kernel; for this process."""
    OutputWidget.send = lambda self, *args, **kwargs: None


def setup(app: Sphinx) -> dict[str, bool]:
    patch()
    return {"parallel_read_safe": True, "parallel_write_safe": True}
