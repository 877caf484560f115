"""Shapes and labels of the book's diagrams, as SVG for light and dark pages.

A drawing is `WIDTH` units wide, so that a phone shows it at its size and a larger
screen enlarged. Labels may have subscripts: "I_{out}".
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH = 380
# The palette of `support.figures`, and brighter forms of it for a dark page.
LIGHT = {
    "blue": "#0072B2",
    "orange": "#C44E00",
    "green": "#00795A",
    "purple": "#8E4585",
    "grey": "#4D4D4D",
}
DARK = {
    "blue": "#56B4E9",
    "orange": "#F0883E",
    "green": "#3FC79A",
    "purple": "#D38BCB",
    "grey": "#ADADAD",
}
_DARK_PAGES = ('html[data-theme="dark"]', '[data-jp-theme-light="false"]')
_STYLE = """
.gin-diagram{margin:0 auto;max-width:540px}
.gin-diagram svg{display:block;font:12px sans-serif;height:auto;width:100%}
.gin-diagram text{fill:currentColor}
.gin-diagram .small{font-size:10.5px}
.gin-diagram .bold{font-weight:bold}
.gin-diagram .line{stroke:currentColor;stroke-width:1.2}
.gin-diagram .dashed{stroke-dasharray:5 3}
.gin-diagram .dotted{stroke-dasharray:.1 4;stroke-linecap:round;stroke-width:2}
.gin-diagram .head{fill:currentColor}
.gin-diagram .white{fill:white}
.gin-diagram .black{fill:black;stroke:currentColor}
"""
Point = tuple[float, float]


def _colours(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def _style() -> str:
    """The style sheet that comes with each diagram; it concerns nothing else."""
    dark = ",".join(f"{page} .gin-diagram" for page in _DARK_PAGES)
    rules = [_STYLE, f".gin-diagram{{{_colours(LIGHT)}}}{dark}{{{_colours(DARK)}}}"]
    for name in LIGHT:
        rules.append(f".gin-diagram .{name}{{fill:var(--{name});stroke:var(--{name})}}")
    # These stand last, so that they hold for every colour.
    rules.append(".gin-diagram .pale{fill-opacity:.2}.gin-diagram .line{fill:none}")
    return "".join(rules)


@dataclass
class Diagram:
    """A drawing to which shapes are added; a notebook shows it as inline SVG.

    A shape's `kind` is the names of its colour and style: "blue", "pale green",
    "line dashed".

    Attributes:
        title: its name, in a few words.
        description: what it shows, for those who do not see it.
        height: in units; the width is `WIDTH`.
    """

    title: str
    description: str
    height: float
    shapes: list[str] = field(default_factory=list)

    def _repr_html_(self) -> str:
        return f'<div class="gin-diagram"><style>{_style()}</style>{self.svg()}</div>'

    def svg(self) -> str:
        """The drawing alone; its colours come with `_repr_html_`."""
        title, description = html.escape(self.title), html.escape(self.description)
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'viewBox="0 0 {WIDTH} {self.height:g}" '
            f'aria-label="{title}. {description}"><title>{title}</title>'
            f"{''.join(self.shapes)}</svg>"
        )

    def box(self, x: float, y: float, w: float, h: float, kind: str) -> None:
        """A rectangle from its upper left corner."""
        self.shapes.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="2" '
            f'class="{kind}"/>'
        )

    def disc(self, x: float, y: float, radius: float, kind: str) -> None:
        """A circle around (x, y)."""
        self.shapes.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="{kind}"/>'
        )

    def polygon(self, points: Sequence[Point], kind: str) -> None:
        """A closed shape."""
        corners = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.shapes.append(f'<polygon points="{corners}" class="{kind}"/>')

    def text(
        self,
        x: float,
        y: float,
        label: str,
        kind: str = "small",
        anchor: str = "middle",
    ) -> None:
        """A line of text, its middle at height `y`."""
        self.shapes.append(
            f'<text x="{x:g}" y="{y:g}" dy=".35em" text-anchor="{anchor}" '
            f'class="{kind}">{_subscripts(label)}</text>'
        )

    def labelled(
        self, x: float, y: float, w: float, h: float, label: str, kind: str
    ) -> None:
        """A pale box around its middle (x, y), with one or more lines of text."""
        self.box(x - w / 2, y - h / 2, w, h, f"pale {kind}")
        lines = label.split("\n")
        for place, line in enumerate(lines):
            self.text(x, y + 13 * (place - (len(lines) - 1) / 2), line)

    def line(self, *points: Point, kind: str = "") -> None:
        """A line through `points`; "dotted" and "dashed" are kinds."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.shapes.append(f'<polyline points="{path}" class="{kind} line"/>')

    def arrow(self, *points: Point, kind: str = "") -> None:
        """A line through `points`, with a head at its end."""
        self.line(*points, kind=kind)
        (x0, y0), (x, y) = points[-2:]
        length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
        right, down = (x - x0) / length, (y - y0) / length
        wings = [
            (x - 6 * right + side * 3 * down, y - 6 * down - side * 3 * right)
            for side in (1, -1)
        ]
        colour = next((word for word in kind.split() if word in LIGHT), "head")
        self.polygon([(x, y), *wings], colour)

    def operation(self, x: float, y: float, sign: str) -> None:
        """A sign in a circle."""
        self.disc(x, y, 8, "line")
        self.text(x, y, sign, "")

    def picture(self, x: float, y: float, side: float, hole: str = "") -> None:
        """A landscape around its middle; its hole is "empty", "coarse" or ""."""
        left, top = x - side / 2, y - side / 2
        self.box(left, top, side, side, "pale blue")
        self.disc(left + 0.76 * side, top + 0.24 * side, side / 10, "orange")
        ridge = ((0, 1), (0, 0.75), (0.3, 0.4), (0.55, 0.7), (0.72, 0.55), (1, 0.85))
        corners = [(left + a * side, top + b * side) for a, b in (*ridge, (1, 1))]
        self.polygon(corners, "green")
        if hole:
            place = left + 0.2 * side, top + 0.34 * side, 0.4 * side, 0.4 * side
            self.box(*place, "white")
        if hole == "coarse":
            self.box(*place, "pale green")

    def mask(self, x: float, y: float, side: float) -> None:
        """A mask around its middle: what is known is dark, the hole white."""
        left, top = x - side / 2, y - side / 2
        self.box(left, top, side, side, "black")
        hole = left + 0.2 * side, top + 0.34 * side, 0.4 * side, 0.4 * side
        self.box(*hole, "white")


def _subscripts(label: str) -> str:
    """Text as SVG, with "_{...}" lowered."""
    lowered = []
    for place, part in enumerate(re.split(r"_\{([^}]*)\}", label)):
        text = html.escape(part)
        if place % 2:
            text = f'<tspan dy="3" font-size="80%">{text}</tspan>'
        elif place and text:
            text = f'<tspan dy="-3">{text}</tspan>'
        lowered.append(text)
    return "".join(lowered)
