"""The book's diagrams hold what the network has, and can be read on any page."""

import inspect
import re
from xml.etree import ElementTree

import pytest
import torch
from browser import chromium, why_not
from support import diagrams, figures, svg
from support.svg import Diagram
from test_figures import luminance

from gin.blocks import COARSE_RATES, REFINEMENT_RATES
from gin.discriminator import Discriminators
from gin.generator import DeepGIN
from gin.recipes import PAPER

DRAWN = {
    name: draw
    for name, draw in inspect.getmembers(diagrams, inspect.isfunction)
    if draw.__module__ == diagrams.__name__ and not name.startswith("_")
}
every = pytest.mark.parametrize("name", DRAWN)


def texts(drawing: Diagram) -> list[str]:
    root = ElementTree.fromstring(drawing.svg())
    return ["".join(node.itertext()) for node in root.iter() if node.tag[-4:] == "text"]


def test_there_is_one_for_each_of_the_plan() -> None:
    names = ["network", "residual_blocks", "self_attention", "back_projection"]
    assert sorted(DRAWN) == sorted([*names, "losses", "training"])


@every
def test_a_diagram_is_svg_with_words_for_the_blind(name: str) -> None:
    root = ElementTree.fromstring(DRAWN[name]().svg())
    assert root.attrib["role"] == "img"
    title = root[0].text
    assert root.attrib["aria-label"].startswith(f"{title}. ")
    assert len(root.attrib["aria-label"]) > 100


@every
def test_colours_come_from_the_style_sheet_alone(name: str) -> None:
    shown = DRAWN[name]()._repr_html_()
    style, drawn = re.fullmatch(
        r'<div class="gin-diagram"><style>(.*)</style>(<svg.*</svg>)</div>',
        shown,
        re.DOTALL,
    ).groups()
    assert not re.search(r"#[0-9a-f]{3}|fill=|stroke=|id=", drawn, re.IGNORECASE)
    kinds = {
        kind for group in re.findall('class="([^"]*)"', drawn) for kind in group.split()
    }
    assert kinds <= {*re.findall(r"\.gin-diagram \.([a-z]+)\{", style)}


def test_colours_stand_out_from_their_page() -> None:
    assert tuple(svg.LIGHT.values()) == figures.PALETTE
    assert svg.DARK.keys() == svg.LIGHT.keys()
    for colour in svg.DARK.values():
        assert (luminance(colour) + 0.05) / (luminance("#121212") + 0.05) >= 4.5


def test_subscripts_are_lowered_and_the_rest_escaped() -> None:
    assert svg._subscripts("a_{b} < c") == (
        'a<tspan dy="3" font-size="80%">b</tspan><tspan dy="-3"> &lt; c</tspan>'
    )


@pytest.mark.parametrize("base", [64, 16])
def test_the_network_has_the_layers_of_gin(base: int) -> None:
    shapes = {"coarse": [], "refinement": [], "d": []}

    def note(stage, module):
        def hook(_, __, output):
            shapes[stage].append(tuple(output.shape[1:3]))

        module.register_forward_hook(hook)

    with torch.device("meta"):
        net, both = DeepGIN(base_channels=base), Discriminators(base)
        for layer in (*net.coarse.encoder, *net.coarse.middle, *net.coarse.decoder):
            note("coarse", layer)
        g2 = net.refinement
        ups = (g2.up1, g2.skip4, g2.up2, g2.skip3, g2.up3, g2.up4)
        for layer in (*g2.encoder, *g2.middle, *ups):
            note("refinement", layer)
        net(torch.rand(1, 3, 256, 256), torch.rand(1, 1, 256, 256))
        maps = both(*torch.rand(2, 1, 3, 256, 256))

    def drawn(layers):
        return [(int(base * width), size) for _, width, size in layers]

    assert drawn(diagrams.COARSE[:-1]) == shapes["coarse"]
    assert drawn(diagrams.REFINEMENT[:-1]) == shapes["refinement"]
    written = texts(diagrams.network(base))
    for answer in maps:
        _, channels, size, _ = answer.shape
        assert f"{size} × {size} × {channels}" in written


def test_a_block_has_a_branch_for_each_dilation_rate() -> None:
    written = texts(diagrams.residual_blocks())
    named = [re.search(r"rate (\d+)$", text) for text in written]
    rates = [int(found[1]) for found in named if found]
    assert rates == [1, 2, *REFINEMENT_RATES, *COARSE_RATES]
    assert {"4 × C/4", "8 × C/8"} <= {*written}


def test_the_losses_name_their_equations() -> None:
    written = " ".join(texts(diagrams.losses()))
    assert re.findall(r"Eq\. (\d)", written) == list("145623")


def test_the_training_is_the_recipe_of_the_paper() -> None:
    written = texts(diagrams.training())
    plan, optimiser = PAPER.schedule, PAPER.optimiser
    assert f"D: {optimiser.discriminator_lr:g}" in written
    assert f"G: {optimiser.generator_lr:g}" in written
    ends = (0, plan.warm_up, plan.warm_up + plan.flat, 110)
    assert {str(epoch) for epoch in ends} <= {*written}


# Labels outside their drawing, and pairs that overlap; lines of text may touch.
FAULTS = """(svg) => {
  const frame = svg.getBoundingClientRect();
  const labels = [...svg.querySelectorAll("text")].map((node) =>
    [node.textContent, node.getBoundingClientRect()]);
  const outside = labels.filter(([, box]) => box.left < frame.left - 1 ||
    box.right > frame.right + 1 || box.top < frame.top || box.bottom > frame.bottom);
  const pairs = labels.flatMap(([one, a], place) => labels.slice(place + 1).filter(
    ([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
      Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3,
  ).map(([other]) => `${one} on ${other}`));
  return [...outside.map(([text]) => text), ...pairs];
}"""


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_in_a_browser_labels_lie_inside_and_apart() -> None:
    drawings = "".join(draw()._repr_html_() for draw in DRAWN.values())
    body = f'<body style="margin: 0; color: #ccc">{drawings}</body>'
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.set_content(f'<html data-theme="dark">{body}</html>')
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        colour = "(svg) => getComputedStyle(svg.querySelector('.blue')).stroke"
        assert page.eval_on_selector("svg", colour) == "rgb(86, 180, 233)"
        drawn = page.query_selector_all("svg")
        assert len(drawn) == len(DRAWN)
        assert [svg.evaluate(FAULTS) for svg in drawn] == [[]] * len(drawn)
