/* Where a position of the picture looks: the attention of the shipped network, layer by
   layer, from the queries and keys that the book's build has computed. */

import { choice, draw, fetchData, fetchPlanes, heat, make, mount, picture } from "./parts.js";

/** The weights of one position over all, from queries and keys (channels, positions). */
export function weights({ queries, keys, channels, side }, position) {
  const count = side * side;
  const scores = new Float64Array(count);
  for (let channel = 0; channel < channels; channel++) {
    const query = queries[channel * count + position];
    for (let i = 0; i < count; i++) scores[i] += query * keys[channel * count + i];
  }
  const most = scores.reduce((a, b) => Math.max(a, b));
  const exponentials = scores.map((score) => Math.exp(score - most));
  const sum = exponentials.reduce((a, b) => a + b);
  return exponentials.map((value) => value / sum);
}

/** The layers of attention.bin, as attention.json describes them. */
export async function layers() {
  const [list, numbers] = await Promise.all([
    fetchData("attention.json").then((response) => response.json()),
    fetchData("attention.bin").then((response) => response.arrayBuffer()),
  ]);
  return list.map(({ channels, side, start }) => {
    const count = channels * side * side;
    const [queries, keys] = [0, 1].map(
      (k) => new Float32Array(numbers, 4 * (start + k * count), count),
    );
    return { queries, keys, channels, side };
  });
}

/** Share of the weights on known positions; a position is known if none of it is white
    in the mask. */
export function onKnown(shares, hole) {
  return shares.reduce((sum, share, i) => sum + share * (1 - hole[i]), 0);
}

/** Of each position 1 if any of its pixels is missing. */
export function missing(mask, width, side) {
  const cell = width / side;
  const hole = new Uint8Array(side * side);
  for (let i = 0; i < width * width; i++) {
    const [y, x] = [Math.floor(i / width / cell), Math.floor((i % width) / cell)];
    if (mask[i] > 0.5) hole[y * side + x] = 1;
  }
  return hole;
}

async function build() {
  const [all, photo, mask] = await Promise.all([
    layers(),
    fetchPlanes("attention.png"),
    fetchPlanes("attention_mask.png"),
  ]);
  const { width, height } = photo;
  const names = all.map(({ side }) => `${side} x ${side}`);
  const layer = choice("Layer, positions", names, update);
  const seen = picture(width, height, "Click a position, or move it with the arrow keys");
  const map = picture(width, height, "Where it looks: darker is more");
  const status = make("p", { role: "status" });
  let [x, y] = [width / 2, height / 2];
  function update() {
    const chosen = all[names.indexOf(layer.value)];
    const cell = width / chosen.side;
    const [column, row] = [Math.floor(x / cell), Math.floor(y / cell)];
    const shares = weights(chosen, row * chosen.side + column);
    const most = shares.reduce((a, b) => Math.max(a, b));
    draw(seen.canvas, photo.planes);
    const context = seen.canvas.getContext("2d");
    context.strokeStyle = "#b3005e";
    context.lineWidth = 3;
    context.strokeRect(column * cell, row * cell, cell, cell);
    const large = Float32Array.from({ length: width * height }, (_, i) => {
      const [v, u] = [Math.floor(i / width / cell), Math.floor((i % width) / cell)];
      return Math.sqrt(shares[v * chosen.side + u] / most);
    });
    draw(map.canvas, heat(large));
    const hole = missing(mask.planes, width, chosen.side);
    const chance = 100 * (1 - hole.reduce((a, b) => a + b) / hole.length);
    status.textContent =
      `Row ${row}, column ${column}: ${(100 * onKnown(shares, hole)).toFixed(1)} % of the ` +
      `attention lies on known positions, which are ${chance.toFixed(1)} % of all; ` +
      `the largest weight is ${(100 * most).toFixed(2)} %.`;
  }
  probe(seen.canvas, (at) => {
    [x, y] = at([x, y], all[names.indexOf(layer.value)].side);
    update();
  });
  update();
  return [
    make("div", { className: "controls" }, layer.element),
    make("div", { className: "pictures" }, seen.figure, map.figure),
    status,
  ];
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Call `move(at)` with where a click or an arrow key leads: at(place, side) -> place. */
function probe(canvas, move) {
  canvas.tabIndex = 0;
  const hold = (value) => Math.min(canvas.width - 1, Math.max(0, value));
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    move(() => [hold((event.clientX - box.left) * scale), hold((event.clientY - box.top) * scale)]);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    move(([x, y], side) => {
      const cell = canvas.width / side;
      return [hold(x + cell * step[0]), hold(y + cell * step[1])];
    });
  });
}

mount("attention", build);
