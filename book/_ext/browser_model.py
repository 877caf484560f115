"""Sphinx extension: what the pages need to run DeepGIN in the reader's browser.

The shipped weights as ONNX, the mask painter, some of the sample photographs, and
manifest.json with the sizes of what a page loads; they join the scripts of
`_static/inpaint/`. onnxruntime-web comes through vendor.py, which stands before this
extension in `_config.yml`. An export takes half a minute, so its file stays in the
user's cache until the weights or the code that it depends on change.

Pages that run the network carry `POLICY`: under it the browser itself sees to it that
a photograph stays on its page.
"""

import csv
import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path
from sphinx.application import Sphinx
from sphinx.config import Config

# Everything from the site itself. The painter's worker comes from a blob, for such a
# worker is bound by the policy of its page, and one from an address is not.
POLICY = (
    "default-src 'self'; script-src 'self' blob: 'unsafe-inline' 'wasm-unsafe-eval'; "
    "worker-src 'self' blob:; connect-src 'self' data: blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; object-src 'none'; frame-src 'none'; "
    "base-uri 'self'; form-action 'self'"
)
META = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'

ROOT = Path(__file__).parents[2]
CACHE = user_cache_path("deepgin-book") / "onnx"
PAINTER = ROOT / "gin" / "ui" / "painter"
WEIGHTS = ROOT / "data" / "weights" / "deepgin.safetensors"
SOURCES = (
    "attention",
    "back_projection",
    "blocks",
    "generator",
    "weights/onnx_export",
)
RUNTIME = Path("onnxruntime-web/dist")  # in the folder that vendor.py fills
PHOTOS = (
    "lomiri_aitzgorri.jpg",
    "monuments_colosseum.jpg",
    "erase_kingfisher.jpg",
    "skimage_coffee.jpg",
    "monuments_tajmahal.jpg",
)
# What worker.js can choose from: onnxruntime-web's module, and its WebAssembly.
RUNTIMES = {
    "webgpu": ("ort.jspi.min.mjs", "ort-wasm-simd-threaded.jspi"),
    "wasm": ("ort.wasm.min.mjs", "ort-wasm-simd-threaded"),
}


def exported(cache: Path = CACHE) -> Path:
    """The shipped weights as ONNX, half stored; exported if `cache` lacks them."""
    mark = hashlib.sha256(version("torch").encode())
    for path in (WEIGHTS, *(ROOT / "gin" / f"{name}.py" for name in SOURCES)):
        mark.update(path.read_bytes())
    model = cache / f"deepgin-{mark.hexdigest()[:16]}.onnx"
    if not model.is_file():
        from gin.weights.onnx_export import export_weights

        export_weights(str(WEIGHTS), model, half=True, force=True)
    return model


def assemble(folder: Path, model: Path, vendored: Path) -> None:
    """Fill `folder` with what the scripts in book/_static/inpaint load.

    `model` is an ONNX file, `vendored` holds onnxruntime-web.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(PAINTER / "painter.css", folder)
    (folder / "painter").mkdir(exist_ok=True)
    for script in PAINTER.glob("*.js"):
        shutil.copy(script, folder / "painter")
    for name in PHOTOS:
        shutil.copy(ROOT / "data" / "photos" / name, folder)
    content = model.read_bytes()
    name = f"deepgin-{hashlib.sha256(content).hexdigest()[:12]}.onnx"
    (folder / name).write_bytes(content)
    manifest = {
        "model": {"file": name, "bytes": len(content)},
        "runtimes": {
            provider: _runtime(script, core, vendored / RUNTIME)
            for provider, (script, core) in RUNTIMES.items()
        },
        "photos": _photos(),
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def _runtime(script: str, core: str, dist: Path) -> dict[str, str | int]:
    binary = f"{core}.wasm"
    size = (dist / binary).stat().st_size
    return {"script": script, "loader": f"{core}.mjs", "binary": binary, "bytes": size}


def _photos() -> list[dict[str, str]]:
    path = ROOT / "data" / "photos" / "LICENSES.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    keys = ("file", "title", "author", "licence")
    return [{key: rows[name][key] for key in keys} for name in PHOTOS]


def add_to_site(app: Sphinx, config: Config) -> None:
    """Put everything where Sphinx copies static files from."""
    static = Path(app.doctreedir) / "in_browser"
    shutil.rmtree(static, ignore_errors=True)
    vendored = Path(app.doctreedir) / "vendored" / "vendor"
    assemble(static / "inpaint", exported(), vendored)
    config.html_static_path.append(str(static))


def restrict(
    app: Sphinx, page: str, template: str, context: dict, tree: object
) -> None:
    """Put `META` into the head of a page that runs the network."""
    if 'class="gin-inpaint"' in context.get("body", ""):
        context["metatags"] = META + context.get("metatags", "")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", add_to_site)
    app.connect("html-page-context", restrict)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
