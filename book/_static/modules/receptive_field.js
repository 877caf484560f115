/* The dilation rates' receptive field: how many paths lead from each input pixel to the
   middle output pixel of a stack of SPD blocks, all of whose weights are one. */

import { draw, heat, make, mount, picture, slider } from "./parts.js";

const RATES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const REFINEMENT = [2, 3, 4, 5]; // gin.blocks.REFINEMENT_RATES
const MAX_BLOCKS = 3;

/** One input pixel a row and column apart: a block sees `reach` px to each side. */
export const reach = (rates) => Math.max(...rates) + 1;

/** Float64Array (side, side) of path counts, side = 2 * blocks * reach + 1. */
export function paths(rates, blocks) {
  const side = 2 * blocks * reach(rates) + 1;
  let counts = new Float64Array(side * side);
  counts[(counts.length - 1) / 2] = 1;
  for (let block = 0; block < blocks; block++) {
    const fused = nine(counts, side, 1);
    const next = counts.slice(); // the identity
    for (const rate of rates) {
      // One channel for each rate; the fusion reads it for each of the output's channels.
      nine(fused, side, rate).forEach((value, i) => (next[i] += rates.length * value));
    }
    counts = next;
  }
  return { counts, side };
}

/** The sum of nine values `rate` px apart: a 3 x 3 convolution with weights of one. */
function nine(values, side, rate) {
  const result = new Float64Array(values.length);
  const steps = [-rate, 0, rate];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const value = values[y * side + x];
      if (!value) continue;
      for (const dy of steps) for (const dx of steps) result[(y + dy) * side + x + dx] += value;
    }
  }
  return result;
}

/** The width of what is seen, and how much of that square has any path, in percent. */
export function seen({ counts, side }) {
  const any = counts.filter((value) => value > 0).length;
  return { side, share: (100 * any) / side ** 2 };
}

function build() {
  const boxes = RATES.map((rate) => {
    const checked = REFINEMENT.includes(rate);
    return make("input", { type: "checkbox", checked, onchange: update, value: rate });
  });
  const range = { min: 1, max: MAX_BLOCKS, value: 1 };
  const blocks = slider("Blocks", range, update);
  const { canvas, figure } = picture(1, 1, "Darker: more paths to the middle pixel");
  const status = make("p", { role: "status" });
  function update() {
    const rates = boxes.filter(({ checked }) => checked).map(({ value }) => Number(value));
    if (!rates.length) {
      status.textContent = "Choose at least one rate.";
      return;
    }
    const field = paths(rates, blocks.value);
    const most = field.counts.reduce((a, b) => Math.max(a, b));
    Object.assign(canvas, { width: field.side, height: field.side });
    draw(canvas, heat(Float32Array.from(field.counts, (value) => (value / most) ** 0.25)));
    const { side, share } = seen(field);
    status.textContent =
      `The middle pixel sees ${side} x ${side} px, of which ${share.toFixed(1)} % ` +
      "have a path to it.";
  }
  update();
  const labels = boxes.map((box) => make("label", {}, box, ` ${box.value}`));
  const group = make("div", { className: "controls", role: "group" }, "Dilation rates", ...labels);
  group.ariaLabel = "Dilation rates";
  return [
    group,
    make("div", { className: "controls" }, blocks.element),
    make("div", { className: "pictures" }, figure),
    status,
  ];
}

mount("receptive-field", build);
