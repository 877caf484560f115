"""The book's diagrams of the paper's network, blocks, losses and training.

    diagrams.network()

shows Fig. 2 where it is a cell's last expression. Numbers come from the recipe and
the modules of `gin`.
"""

from collections.abc import Sequence
from itertools import groupby
from statistics import mean

from support.svg import WIDTH, Diagram

from gin.blocks import COARSE_RATES, REFINEMENT_RATES
from gin.recipes import PAPER

# A layer: kind, channels as a multiple of the base width (0: RGB), size of its map.
Layer = tuple[str, float, int]
_CONV, _SPD, _ATTENTION, _RGB = "pale grey", "blue", "purple", "orange"
_ENCODER: list[Layer] = [
    (_CONV, 0.5, 256),
    (_CONV, 1, 128),
    (_CONV, 2, 64),
    (_CONV, 4, 32),
]
_DECODER: list[Layer] = [(_CONV, 1, 128), (_CONV, 0.5, 256), (_RGB, 0, 256)]
COARSE: list[Layer] = [*_ENCODER, *6 * [(_SPD, 4, 32)], (_CONV, 2, 64), *_DECODER]
REFINEMENT: list[Layer] = [
    *_ENCODER,
    (_CONV, 8, 16),
    *3 * [(_SPD, 8, 16)],
    (_ATTENTION, 8, 16),
    *3 * [(_SPD, 8, 16)],
    *2 * [(_CONV, 4, 32)],
    *2 * [(_CONV, 2, 64)],
    *_DECODER,
]
DISCRIMINATOR: list[Layer] = [
    (_CONV, 1, 128),
    (_CONV, 2, 64),
    (_CONV, 4, 64),
    (_RGB, 4, 64),
]
_TALL = {256: 78, 128: 64, 64: 50, 32: 36, 16: 24}


def network(base_channels: int = 64) -> Diagram:
    """Fig. 2: both stages, skips, self-attention, back projection, discriminators."""
    drawing = Diagram(
        "The whole network (paper, Fig. 2)",
        "The coarse generator G1 takes the masked picture and the mask through an "
        "encoder, six SPD blocks and a decoder. The refinement generator G2 takes the "
        "coarse picture through a deeper encoder, six SPD blocks around a "
        "self-attention block, and a decoder that two skip connections with "
        "self-attention reach, at 32 and 64 px. Back projection corrects the raw "
        "picture, and the known pixels are pasted. In training two discriminators see "
        "the completed picture beside the masked one.",
        644,
    )
    _coarse_stage(drawing, base_channels)
    _refinement_stage(drawing, base_channels)
    _end_of_refinement(drawing)
    _two_discriminators(drawing, base_channels)
    return drawing


def _bars(
    drawing: Diagram,
    layers: Sequence[Layer],
    base: int,
    start: tuple[float, float],
    pitch: float,
) -> list[float]:
    """Layers as bars from `start` to the right: the bars' middles.

    Below them stand the channels, once for neighbours of one shape.
    """
    x, y = start
    middles = [x + pitch * (place + 0.5) for place in range(len(layers))]
    drawn = list(zip(middles, layers, strict=True))
    for middle, (kind, _, size) in drawn:
        tall = _TALL[size]
        drawing.box(middle - pitch * 0.34, y - tall / 2, pitch * 0.68, tall, kind)
    for (width, size), same in groupby(drawn, key=lambda bar: bar[1][1:]):
        places = [middle for middle, _ in same]
        channels = f"{width * base:g}" if width else "3"
        drawing.text(mean(places), y + _TALL[size] / 2 + 9, channels)
    return middles


def _coarse_stage(drawing: Diagram, base: int) -> None:
    y = 84
    drawing.text(0, 8, "Coarse stage, G_{1}", "bold", "start")
    drawing.picture(17, y - 17, 28, "empty")
    drawing.mask(17, y + 17, 28)
    drawing.text(17, y - 41, "I_{in}")
    drawing.text(17, y + 40, "M")
    drawing.arrow((33, y), (43, y))
    bars = _bars(drawing, COARSE, base, (44, y), 20.5)
    for middle, (_, _, size) in zip(bars, _ENCODER, strict=False):
        drawing.text(middle, y - _TALL[size] / 2 - 9, f"{size}")
    middle = (bars[4] + bars[9]) / 2
    drawing.text(middle, y - 43, "6 SPD blocks,", "small bold")
    drawing.text(middle, y - 29, f"{len(COARSE_RATES)} dilation rates")
    drawing.arrow((332, y), (346, y))
    drawing.picture(362, y, 28, "coarse")
    drawing.text(360, y - 25, "I_{coarse}")


def _refinement_stage(drawing: Diagram, base: int) -> None:
    y = 280
    drawing.text(20, 160, "Refinement stage, G_{2}", "bold", "start")
    drawing.arrow((362, 100), (362, 144), (8, 144), (8, y), (32, y))
    drawing.text(16, y + 11, "and M")
    bars = _bars(drawing, REFINEMENT, base, (34, y), 17)
    for source, target, level in ((2, 15, 184), (3, 13, 212)):
        size = REFINEMENT[source][2]
        top, start, end = y - _TALL[size] / 2 - 2, bars[source], bars[target]
        drawing.line((start, top), (start, level), (bars[8] - 56, level))
        label = f"self-attention, {size} × {size}"
        drawing.labelled(bars[8], level, 112, 20, label, "purple")
        drawing.arrow((bars[8] + 56, level), (end, level), (end, top))
    drawing.text(bars[8], y - 24, "self-attention, 16 × 16")
    drawing.text(bars[7] + 8, y + 35, "6 SPD blocks,", "small bold")
    drawing.text(bars[7] + 8, y + 48, f"{len(REFINEMENT_RATES)} dilation rates")


def _end_of_refinement(drawing: Diagram) -> None:
    """From the last features to the completed picture."""
    y = 396
    for x, top, label, side in (
        (297.5, 322, "I_{lr}", -13),
        (331.5, 338, "α", -7),
        (348.5, 338, "raw Î", 17),
    ):
        drawing.arrow((x, top), (x, y - 22))
        drawing.text(x + side, 356, label)
    drawing.labelled(278, y, 196, 42, "\n", "orange")
    drawing.text(278, y - 8, "Back projection", "small bold")
    drawing.text(278, y + 8, "I_{out} = Î + α · up(I_{lr} − down(Î))")
    drawing.arrow((180, y), (66, y))
    drawing.text(122, y - 12, "paste the known pixels")
    drawing.picture(40, y, 44)
    drawing.text(40, y - 32, "I_{compltd}")


def _two_discriminators(drawing: Diagram, base: int) -> None:
    drawing.box(1, 452, WIDTH - 2, 190, "grey dashed line")
    drawing.text(374, 465, "Discriminators, in training only", "small bold", "end")
    drawing.arrow((40, 419), (40, 490))
    for x, hole in ((24, "empty"), (56, "")):
        drawing.picture(x, 512, 28, hole)
    drawing.text(6, 537, "I_{in} beside", "small", "start")
    drawing.text(6, 552, "I_{compltd} or I_{gt}", "small", "start")
    drawing.arrow((76, 512), (124, 512))
    drawing.text(99, 501, "256 px")
    drawing.arrow((40, 562), (40, 594), (124, 594))
    drawing.text(82, 584, "halved: 128 px")
    smaller = [(kind, width, size // 2) for kind, width, size in DISCRIMINATOR]
    for name, y, layers in (("1", 512, DISCRIMINATOR), ("2", 594, smaller)):
        drawing.text(138, y, f"D_{{{name}}}", "bold")
        _bars(drawing, layers, base, (152, y), 28)
        _, width, size = layers[-1]
        drawing.text(272, y - 8, "a map of", "small", "start")
        shape = f"{size} × {size} × {width * base:g}"
        drawing.text(272, y + 8, shape, "small", "start")


def residual_blocks() -> Diagram:
    """Fig. 3: the standard, the dilated and both SPD blocks."""
    drawing = Diagram(
        "The four residual blocks (paper, Fig. 3)",
        "Each block has two layers of 3 x 3 convolutions and adds its input. The "
        "dilated block spreads the first one's kernel to every second pixel. In an "
        "SPD block parallel convolutions with 4 or 8 dilation rates share the C "
        "output channels equally; the second convolution fuses them.",
        586,
    )
    for x, name, rate in ((105, "(a) standard", 1), (285, "(b) dilated", 2)):
        _block(drawing, (x, 0), name, (rate,), 60)
    for y, name, rates in (
        (186, "(c) SPD, 4 rates, in G_{2}", REFINEMENT_RATES),
        (378, "(d) SPD, 8 rates, in G_{1}", COARSE_RATES),
    ):
        _block(drawing, (WIDTH / 2 + 8, y), name, rates, 352 / len(rates))
    return drawing


def _block(
    drawing: Diagram,
    top: tuple[float, float],
    name: str,
    rates: Sequence[int],
    pitch: float,
) -> None:
    """A residual block under the middle of its `top`, kernels side by side."""
    x, y = top
    spread = 1.5 if len(rates) > 1 else 5  # units for a pixel
    tall = 2 * spread * max(rates) + 6
    drawing.text(x, y + 8, name, "bold")
    drawing.box(x - 40, y + 22, 80, 8, "pale grey")
    drawing.text(x + 46, y + 26, "C", "small", "start")
    for place, rate in enumerate(rates):
        off = place - (len(rates) - 1) / 2
        middle, part = x + pitch * off, x + 80 / len(rates) * off
        drawing.line((x, y + 30), (middle, y + 40))
        _kernel(drawing, middle, y + 43 + tall / 2, rate, spread)
        label = f"rate {rate}" if len(rates) > 4 else f"3 × 3, rate {rate}"
        drawing.text(middle, y + 54 + tall, label)
        drawing.line((middle, y + 62 + tall), (part, y + 74 + tall))
    side = x - max(pitch * len(rates) / 2 + 8, 66)
    _end_of_block(drawing, (x, y + 74 + tall), len(rates))
    height = y + 144 + tall
    drawing.arrow((x - 40, y + 26), (side, y + 26), (side, height), (x - 8, height))


def _end_of_block(drawing: Diagram, top: tuple[float, float], count: int) -> None:
    """The branches' channels, the second convolution and the sum."""
    x, y = top
    for part in range(count):
        drawing.box(x - 40 + 80 * part / count, y, 80 / count - 1, 8, "blue")
    channels = "C" if count == 1 else f"{count} × C/{count}"
    drawing.text(x + 46, y + 4, channels, "small", "start")
    drawing.arrow((x, y + 8), (x, y + 28))
    drawing.text(x + 6, y + 17, "ReLU", "small", "start")
    drawing.labelled(x, y + 38, 88, 20, "3 × 3, C → C", "green")
    drawing.arrow((x, y + 48), (x, y + 62))
    drawing.operation(x, y + 70, "+")


def _kernel(drawing: Diagram, x: float, y: float, rate: int, spread: float) -> None:
    """The nine positions that a 3 x 3 kernel reads, and the square they span."""
    reach = rate * spread
    drawing.box(x - reach - 2, y - reach - 2, 2 * reach + 4, 2 * reach + 4, "pale blue")
    for down in (-reach, 0, reach):
        for right in (-reach, 0, reach):
            drawing.disc(x + right, y + down, 1 if spread < 2 else 1.6, "blue")


def self_attention() -> Diagram:
    """The self-attention block with the shape of every tensor."""
    drawing = Diagram(
        "The self-attention block",
        "Three 1 x 1 convolutions, theta, phi and g, halve the channels of the input "
        "and lay its H times W positions in a row. The product of theta and phi is a "
        "square matrix of HW x HW; its softmax weights the rows of g. A last 1 x 1 "
        "convolution restores C channels, and the input is added.",
        458,
    )
    drawing.labelled(190, 20, 130, 28, "x: C × H × W", "grey")
    for x, name in ((70, "θ"), (190, "φ"), (310, "g")):
        drawing.arrow((190, 34), (190, 48), (x, 48), (x, 60))
        drawing.labelled(x, 71, 104, 22, f"{name}: 1 × 1, C → C/2", "green")
    for x, w, h, shape in (
        (70, 26, 72, "HW × C/2"),
        (190, 72, 26, "C/2 × HW"),
        (310, 26, 72, "HW × C/2"),
    ):
        drawing.arrow((x, 82), (x, 98))
        drawing.box(x - w / 2, 101, w, h, "pale blue")
        drawing.text(x, 101 + h + 10, shape)
    _attention_map(drawing)
    _attention_sum(drawing)
    return drawing


def _attention_map(drawing: Diagram) -> None:
    """theta times phi, and its softmax."""
    drawing.arrow((70, 190), (70, 208), (122, 208))
    drawing.arrow((190, 144), (190, 208), (138, 208))
    drawing.operation(130, 208, "·")
    drawing.arrow((130, 216), (130, 246))
    drawing.text(136, 230, "softmax over each row", "small", "start")
    drawing.box(94, 249, 72, 72, "pale purple")
    drawing.box(94, 276, 72, 6, "purple")
    drawing.text(130, 331, "HW × HW")
    drawing.text(88, 272, "a position's", "small", "end")
    drawing.text(88, 286, "weights", "small", "end")


def _attention_sum(drawing: Diagram) -> None:
    """The weighted sum of g, its projection, and the sum with the input."""
    drawing.arrow((166, 285), (222, 285))
    drawing.arrow((310, 190), (310, 285), (238, 285))
    drawing.operation(230, 285, "·")
    drawing.text(238, 322, "y: HW × C/2", "small", "start")
    drawing.arrow((230, 293), (230, 352))
    drawing.labelled(230, 363, 104, 22, "1 × 1, C/2 → C", "green")
    drawing.arrow((230, 374), (230, 396))
    drawing.operation(230, 404, "+")
    drawing.arrow((255, 20), (372, 20), (372, 404), (238, 404))
    drawing.text(366, 394, "x", "small", "end")
    drawing.arrow((230, 412), (230, 428))
    drawing.labelled(230, 443, 130, 28, "C × H × W", "grey")


def back_projection() -> Diagram:
    """Back projection as a loop between the large and the small picture."""
    drawing = Diagram(
        "Back projection",
        "The raw picture is reduced to a quarter of its size and subtracted from the "
        "small picture that the network predicts as well. The residual is enlarged, "
        "multiplied by the weights alpha, and added to the raw picture: the output.",
        306,
    )
    drawing.picture(50, 62, 76)
    drawing.text(50, 13, "raw Î, H × W")
    drawing.arrow((90, 62), (196, 62))
    drawing.text(143, 51, "down, ÷ 4")
    drawing.picture(216, 62, 32)
    drawing.text(216, 89, "H/4 × W/4")
    drawing.arrow((234, 62), (280, 62))
    drawing.operation(288, 62, "−")
    drawing.picture(350, 62, 32)
    drawing.text(350, 89, "I_{lr}, predicted")
    drawing.arrow((332, 62), (296, 62))
    drawing.arrow((288, 70), (288, 114))
    drawing.box(272, 117, 32, 32, "pale orange")
    drawing.text(310, 133, "residual", "small", "start")
    drawing.arrow((288, 149), (288, 184))
    drawing.text(294, 166, "up, × 4", "small", "start")
    drawing.box(250, 187, 76, 76, "pale orange")
    drawing.text(288, 225, "residual, H × W")
    drawing.arrow((250, 225), (178, 225))
    drawing.operation(170, 225, "×")
    drawing.arrow((170, 274), (170, 233))
    drawing.text(170, 284, "weights α, H × W")
    drawing.arrow((162, 225), (58, 225))
    drawing.operation(50, 225, "+")
    drawing.arrow((50, 100), (50, 217))
    drawing.arrow((50, 233), (50, 274))
    drawing.text(50, 284, "I_{out}")
    return drawing


def losses() -> Diagram:
    """Which loss sees which picture; dotted, the way of the gradient."""
    drawing = Diagram(
        "Which loss sees which picture",
        "The L1 loss compares the coarse, the small and the refined picture with the "
        "truth. The perceptual and the style loss compare the refined and the "
        "completed picture with the truth, through VGG-19. The adversarial loss sees "
        "the completed picture through the discriminators, and the total variation "
        "sees it directly. The discriminators' own loss sees the completed picture "
        "and the truth, each beside the masked picture; its gradient ends at the "
        "discriminators.",
        420,
    )
    for y, label, hole in (
        (45, "I_{coarse}", "coarse"),
        (110, "I_{lr}", "coarse"),
        (175, "I_{out}", ""),
        (255, "I_{compltd}", ""),
        (305, "I_{in}", "empty"),
        (355, "I_{gt}", ""),
    ):
        drawing.picture(68, y, 34, hole)
        drawing.text(46, y, label, "small", "end")
    drawing.labelled(200, 170, 56, 40, "φ\nVGG-19", "purple")
    drawing.labelled(200, 320, 56, 40, "D_{1}, D_{2}", "blue")
    for y, label in (
        (75, "L1, Eq. 1"),
        (147, "perceptual, Eq. 4"),
        (193, "style, Eq. 5"),
        (255, "variation, Eq. 6"),
        (302, "adversarial, Eq. 2"),
        (346, "of D, Eq. 3"),
    ):
        drawing.labelled(324, y, 108, 24, label, "orange")
    _gradients(drawing)
    drawing.line((40, 404), (70, 404))
    drawing.text(76, 404, "forward", "small", "start")
    drawing.line((150, 404), (180, 404), kind="orange dotted")
    drawing.text(186, 404, "gradient, backward", "small", "start")
    return drawing


def _gradients(drawing: Diagram) -> None:
    """Each way forward, and the gradient's way back where there is one."""
    loss, net, end, back = 270, 172, 228, 87
    for start, goal in (
        ((back, 45), (loss, 68)),
        ((back, 110), (loss, 75)),
        ((back, 171), (loss, 82)),
        ((back, 179), (net, 165)),
        ((back, 248), (net, 178)),
        ((end, 162), (loss, 147)),
        ((end, 178), (loss, 193)),
        ((back, 255), (loss, 255)),
        ((back, 262), (net, 312)),
        ((end, 313), (loss, 302)),
        ((end, 328), (loss, 346)),
    ):
        drawing.arrow(start, goal)
        (x0, y0), (x, y) = start, goal
        drawing.arrow((x, y + 5), (x0, y0 + 5), kind="orange dotted")
    # What the losses are given and no gradient reaches: the truth, and I_in.
    drawing.arrow((back, 355), (net, 331))
    drawing.arrow((back, 305), (net, 322))
    drawing.arrow((82, 338), (182, 190))
    drawing.arrow((51, 369), (3, 369), (3, 18), (324, 18), (324, 63))


def training() -> Diagram:
    """Both stages of training over the epochs: what learns, and by which losses."""
    plan = PAPER.schedule
    drawing = Diagram(
        "The two stages of training (paper, section 5.1)",
        f"In the warm-up stage, {plan.warm_up} epochs, the generators alone learn by "
        "the L1 loss. In the main stage generators and discriminators learn in turn "
        f"by all losses: {plan.flat} epochs at constant learning rates, then "
        f"{plan.decay} epochs in which the rates fall to zero.",
        286,
    )
    start, end = _epoch(0), _epoch(plan.warm_up + plan.flat + plan.decay)
    main = _epoch(plan.warm_up)
    drawing.text(
        start, 8, f"warm-up stage, {plan.warm_up} epochs", "small bold", "start"
    )
    label = f"main stage, {plan.flat} + {plan.decay} epochs"
    drawing.text(end, 8, label, "small bold", "end")
    for y, name, first, kind in (
        (32, "G_{1}, G_{2}", start, "blue"),
        (56, "D_{1}, D_{2}", main, "purple"),
        (80, "L1 loss", start, "orange"),
        (104, "other losses", main, "orange"),
    ):
        drawing.text(_epoch(0) - 8, y, name, "small", "end")
        drawing.box(first, y - 8, end - first, 16, f"pale {kind}")
    drawing.line((main, 20), (main, 258), kind="dashed")
    _learning_rates(drawing)
    return drawing


def _epoch(epoch: float) -> float:
    """Where an epoch lies."""
    return 84 + 2.6 * epoch


def _learning_rates(drawing: Diagram) -> None:
    plan, optimiser = PAPER.schedule, PAPER.optimiser
    first, flat = plan.warm_up, plan.warm_up + plan.flat
    last, bottom = flat + plan.decay, 258
    drawing.line((_epoch(0), 130), (_epoch(0), bottom), (_epoch(last), bottom))
    drawing.text(_epoch(0) - 8, 190, "learning", "small", "end")
    drawing.text(_epoch(0) - 8, 204, "rate", "small", "end")
    for epoch in (0, first, flat, last):
        drawing.text(_epoch(epoch), bottom + 10, f"{epoch}")
    drawing.text((_epoch(flat) + _epoch(last)) / 2, bottom + 20, "epoch")
    for begin, rate, name, kind in (
        (first, optimiser.discriminator_lr, "D", "purple"),
        (0, optimiser.generator_lr, "G", "blue"),
    ):
        y = bottom - 110 * rate / optimiser.discriminator_lr
        drawing.line(
            (_epoch(begin), y), (_epoch(flat), y), (_epoch(last), bottom), kind=kind
        )
        drawing.text(_epoch(flat) + 8, y - 7, f"{name}: {rate:g}", "small", "start")
