/* Back projection step by step: x <- x + mu * enlarge(small - camera(x)). */

import { draw, fetchPlanes, make, mount, picture, slider } from "./parts.js";

const FACTOR = 4;
const SHOWN = { top: 16, left: 130, side: 96 }; // px: the detail that is drawn

/** (3, H, W) -> (3, H / 4, W / 4): the mean of each square. */
export function camera({ planes, width, height }) {
  const [w, h] = [width / FACTOR, height / FACTOR];
  const small = new Float32Array(3 * w * h);
  for (let y = 0; y < 3 * height; y++) {
    for (let x = 0; x < width; x++) {
      small[Math.floor(y / FACTOR) * w + Math.floor(x / FACTOR)] +=
        planes[y * width + x] / FACTOR ** 2;
    }
  }
  return { planes: small, width: w, height: h };
}

/** (3, h, w) -> (3, 4h, 4w), bilinear: torch's interpolate without aligned corners. */
export function enlarge({ planes, width, height }) {
  const rows = positions(height);
  const columns = positions(width);
  const large = new Float32Array(planes.length * FACTOR ** 2);
  let i = 0;
  for (let channel = 0; channel < 3; channel++) {
    const at = (y, x) => planes[(channel * height + y) * width + x];
    for (const [y0, y1, v] of rows) {
      for (const [x0, x1, u] of columns) {
        const upper = (1 - u) * at(y0, x0) + u * at(y0, x1);
        const lower = (1 - u) * at(y1, x0) + u * at(y1, x1);
        large[i++] = (1 - v) * upper + v * lower;
      }
    }
  }
  return { planes: large, width: FACTOR * width, height: FACTOR * height };
}

/** For each position of the larger side the two of the smaller, and the second's weight. */
function positions(length) {
  return Array.from({ length: FACTOR * length }, (_, i) => {
    const at = Math.max(0, (i + 0.5) / FACTOR - 0.5);
    const first = Math.floor(at);
    return [first, Math.min(length - 1, first + 1), at - first];
  });
}

/** The enlarged picture after so many corrections, and what is left of the gap. */
export function corrected(small, mu, steps) {
  let large = enlarge(small);
  let gap = difference(small, camera(large));
  for (let step = 0; step < steps; step++) {
    const more = enlarge(gap).planes;
    large = { ...large, planes: large.planes.map((value, i) => value + mu * more[i]) };
    gap = difference(small, camera(large));
  }
  return { large, gap };
}

function difference(a, b) {
  return { ...a, planes: a.planes.map((value, i) => value - b.planes[i]) };
}

/** Root mean square, in percent of the scale. */
export function size({ planes }) {
  return 100 * Math.sqrt(planes.reduce((sum, value) => sum + value * value, 0) / planes.length);
}

function detail({ planes, width, height }, { top, left, side }) {
  const part = new Float32Array(3 * side * side);
  for (let i = 0; i < part.length; i++) {
    const [channel, y, x] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
    part[i] = planes[(channel * height + top + y) * width + left + x];
  }
  return part;
}

async function build() {
  const truth = await fetchPlanes("kingfisher.png");
  const small = camera(truth);
  const decimal = (value) => value.toFixed(1);
  const range = { min: -1, max: 2.4, step: 0.1, value: 1, text: decimal };
  const mu = slider("mu", range, update);
  const steps = slider("Steps", { min: 0, max: 20, value: 1 }, update);
  const large = picture(SHOWN.side, SHOWN.side, "The enlarged picture, corrected");
  const little = SHOWN.side / FACTOR;
  const left = picture(little, little, "What is left: grey is nothing");
  const status = make("p", { role: "status" });
  function update() {
    const done = corrected(small, mu.value, steps.value);
    draw(large.canvas, detail(done.large, SHOWN));
    const inside = { top: SHOWN.top / FACTOR, left: Math.floor(SHOWN.left / FACTOR), side: little };
    draw(left.canvas, detail(done.gap, inside).map((value) => 0.5 + 5 * value));
    const truly = size(difference(truth, done.large));
    status.textContent =
      `From the small picture: ${size(done.gap).toPrecision(3)} %. ` +
      `From the original: ${truly.toPrecision(3)} %.`;
  }
  update();
  return [
    make("div", { className: "controls" }, mu.element, steps.element),
    make("div", { className: "pictures" }, large.figure, left.figure),
    status,
  ];
}

mount("back-projection", build);
