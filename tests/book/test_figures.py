"""The book's figures show what they are given, and can be read."""

import ast
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import figures

from gin import masks
from gin.errors import InputError

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(256, size=(6, 8, 3), dtype=np.uint8)


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


@pytest.mark.parametrize(
    "picture",
    [
        Image.fromarray(PIXELS),
        PIXELS,
        PIXELS / 255,
        torch.from_numpy(PIXELS / 255).permute(2, 0, 1),
        torch.from_numpy(PIXELS / 255).permute(2, 0, 1)[None],
    ],
    ids=["PIL", "uint8", "float", "tensor", "batch of one"],
)
def test_every_form_of_a_picture_gives_the_same_pixels(picture) -> None:
    assert figures.as_rgb(picture) == pytest.approx(PIXELS / 255, abs=1e-6)


def test_a_mask_shows_what_is_missing_in_white() -> None:
    mask = np.array([[0, 1], [1, 0]], np.uint8)
    for form in (mask, torch.from_numpy(mask)[None, None].float(), mask.astype(bool)):
        assert np.array_equal(figures.as_rgb(form), mask[..., None].repeat(3, 2))


def test_values_beyond_the_range_are_cut_off() -> None:
    assert figures.as_rgb(np.array([[-1.0, 0.5, 7.0]]))[0, :, 0].tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4, 2)), np.zeros((2, 4, 4, 3)), torch.zeros(2, 3, 4, 4)],
    ids=["two channels", "four axes", "a batch"],
)
def test_what_is_no_picture_is_named(picture) -> None:
    with pytest.raises(InputError, match=r"picture of shape .*expected"):
        figures.as_rgb(picture)


def test_a_hole_is_white_and_the_rest_untouched() -> None:
    mask = RNG.integers(2, size=(6, 8), dtype=np.uint8)
    image = torch.from_numpy(PIXELS / 255).permute(2, 0, 1).clone()
    image[:, torch.from_numpy(mask) == 1] = torch.nan  # nor does it show through
    shown = figures.with_hole(image, mask)
    assert (shown[mask == 1] == 1).all()
    assert shown[mask == 0] == pytest.approx(PIXELS[mask == 0] / 255, abs=1e-6)


def test_heat_grows_darker_up_to_its_end() -> None:
    shown = figures.heat(np.linspace(0, 2, 9)[None], high=1.0)[0]  # (9, 3)
    brightness = shown.mean(axis=1)
    assert (np.diff(brightness[:5]) < 0).all()
    assert brightness[4:] == pytest.approx(brightness[4])


def test_difference_is_the_mean_over_the_colours() -> None:
    one, other = np.zeros((2, 3, 3)), np.zeros((2, 3, 3))
    other[1, 2] = [0.3, 0, 0.3]
    shown = figures.difference(one, other, high=0.4)
    expected = figures.heat(np.array([[0, 0, 0], [0, 0, 0.2]]), high=0.4)
    assert shown == pytest.approx(expected, abs=1 / 255)


def test_a_row_shows_each_picture_under_its_title_and_wraps() -> None:
    pictures = [np.full((4, 4), level) for level in (0.1, 0.2, 0.3, 0.4, 0.5)]
    drawing = figures.row(pictures, list("abcde"), per_line=3)
    found = {axis.get_title(): axis.get_images()[0] for axis in drawing.axes}
    assert list(found) == list("abcde")
    for picture, image in zip(pictures, found.values(), strict=True):
        assert np.asarray(image.get_array())[..., 0] == pytest.approx(picture)
    tops = [axis.get_subplotspec().rowspan.start for axis in drawing.axes]
    assert tops == [0, 0, 0, 1, 1]


def test_a_grid_names_its_lines_and_columns() -> None:
    picture = np.zeros((4, 4))
    drawing = figures.grid({"one": [picture] * 2, "two": [picture] * 2}, ["a", "b"])
    assert [axis.get_title() for axis in drawing.axes] == ["a", "b", "", ""]
    assert [axis.get_ylabel() for axis in drawing.axes] == ["one", "", "two", ""]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.row([PIXELS, PIXELS], ["only one title"]),
        lambda: figures.grid({"one": [PIXELS]}, ["a", "b"]),
        lambda: figures.Table(["one", "two"], [["three"]])._repr_html_(),
    ],
    ids=["row", "grid", "table"],
)
def test_a_missing_title_or_cell_is_noticed(draw) -> None:
    with pytest.raises(ValueError, match="shorter|longer"):
        draw()


def test_lines_and_histograms_hold_the_values() -> None:
    drawing = figures.lines(
        {"a": [3.0, 1.0], "b": [2.0, 4.0]}, "step", "loss", log=True
    )
    one, other = drawing.axes[0].get_lines()
    assert one.get_xydata().tolist() == [[1, 3], [2, 1]]
    assert other.get_ydata().tolist() == [2, 4]
    assert drawing.axes[0].get_yscale() == "log"
    (axis,) = figures.histograms({"kind": [10.5, 10.6, 51.0]}, "area").axes
    assert axis.get_title(loc="left") == "kind: mean 24.0 %"
    heights = [int(bar.get_height()) for bar in axis.patches]
    assert heights[5] == 2  # 10 to 12
    assert sum(heights) == 3


def test_a_table_escapes_its_cells() -> None:
    shown = figures.Table(["a", "b"], [["<b>", "1"], ["&", "2"]])._repr_html_()
    assert "&lt;b&gt;" in shown
    assert '<td style="text-align: left">&amp;</td>' in shown
    assert '<td style="text-align: right">2</td>' in shown
    assert shown.count("<tr>") == 3


def test_a_notebook_gets_a_png_fit_for_print() -> None:
    picture = opened(figures.row([PIXELS, PIXELS], ["a", "b"])._repr_png_())
    assert picture.width >= 1000
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def luminance(colour: str) -> float:
    """The relative luminance of #rrggbb, as accessibility rules define it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("colour", [*figures.PALETTE, figures.INK])
def test_colours_stand_out_from_white(colour: str) -> None:
    assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def test_lines_differ_without_colour() -> None:
    assert len(set(figures.DASHES)) == len(figures.PALETTE) == len(set(figures.PALETTE))


def test_the_teaser_shows_masked_completed_and_original(tmp_path, monkeypatch) -> None:
    seen = []

    def inpaint(photo, mask):
        seen.append((photo, mask))
        return Image.new("RGB", photo.size, "red")

    monkeypatch.setattr(
        figures.Inpainter, "from_pretrained", classmethod(lambda cls: inpaint)
    )
    grids = []
    monkeypatch.setattr(
        figures, "grid", lambda *a, grid=figures.grid: grids.append(a) or grid(*a)
    )
    figures.teaser(tmp_path / "teaser.png")
    picture = Image.open(tmp_path / "teaser.png")
    assert min(picture.size) > 600
    ((lines, titles),) = grids
    assert titles == ("masked", "completed", "original")
    assert len(lines) == len(masks.KINDS)
    for (masked, completed, original), (photo, mask) in zip(
        lines.values(), seen, strict=True
    ):
        assert original is photo
        assert photo.size == (256, 256)
        assert np.array_equal(masked, figures.with_hole(photo, mask))
        assert completed.getpixel((0, 0)) == (255, 0, 0)


def test_panels_give_a_name_one_colour_and_dots_no_line() -> None:
    drawn = {
        "one": {"curve": ([0, 1], [2, 3]), "seen": ([0.5], [2.5])},
        "other": {"curve": ([0, 2], [5, 4])},
    }
    first, second = figures.panels(drawn, "x", dots=("seen",), limits=(0, 6)).axes
    curve, seen = first.get_lines()
    assert second.get_lines()[0].get_color() == curve.get_color() != seen.get_color()
    assert seen.get_linestyle() == "None"
    assert curve.get_xydata().tolist() == [[0, 2], [1, 3]]
    assert [axis.get_title() for axis in (first, second)] == ["one", "other"]
    assert first.get_ylim() == second.get_ylim() == (0, 6)


def test_curves_show_every_point_and_their_mean() -> None:
    points = {step: float(step % 20 > 0) for step in range(10, 330, 10)}
    drawing = figures.curves({"a": points, "b": {1: 5.0}, "c": {1: 2.0, 2: 4.0}})
    first, second, _ = drawing.axes
    every, mean = first.get_lines()
    assert every.get_xdata().tolist() == list(points)
    assert every.get_ydata().tolist() == list(points.values())
    # A window of five points, of which two or three are 1.
    assert set(mean.get_ydata()[2:-2].round(3)) == {0.4, 0.6}
    assert second.get_lines()[1].get_ydata().tolist() == [5.0]
    assert [axis.get_title("left") for axis in drawing.axes] == ["a", "b", "c"]


def test_nothing_else_in_the_package_imports_figures() -> None:
    for path in sorted((ROOT / "gin").rglob("*.py")):
        if path.name == "figures.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            assert not {"matplotlib", "figures", "support.figures"} & set(names), path


def test_the_package_works_without_matplotlib() -> None:
    code = "import sys; sys.modules['matplotlib'] = None; import gin, gin.cli.app"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=300)
