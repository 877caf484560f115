"""A small site with what the book's pages need to run DeepGIN in a browser."""

import shutil
from pathlib import Path

import browser_model
import vendor

ROOT = Path(__file__).parents[2]
PAGE = f"""<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  {browser_model.META}
  <meta name="viewport" content="width=device-width">
  <title>DeepGIN</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="../_static/inpaint/painter.css">
  <link rel="stylesheet" href="../_static/inpaint/inpaint.css">
  <div class="gin-inpaint"></div>
  <script type="module" src="../_static/inpaint/inpaint.js"></script>
</html>
"""


def build(folder: Path) -> None:
    """Fill `folder` with a site whose page is book/page.html.

    Raises vendor.NotVendored if onnxruntime-web cannot be had.
    """
    (package,) = (
        package
        for package in vendor.read_packages(vendor.PACKAGES)
        if package.name == "onnxruntime-web"
    )
    static = folder / "_static"
    vendor.unpack(package, vendor.fetched(package, vendor.CACHE), static / "vendor")
    shutil.copytree(ROOT / "book" / "_static" / "inpaint", static / "inpaint")
    model = browser_model.exported()
    browser_model.assemble(static / "inpaint", model, static / "vendor")
    (folder / "book").mkdir()
    (folder / "book" / "page.html").write_text(PAGE, encoding="utf-8")
