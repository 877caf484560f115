/* The answer that minimises the sum of |c - v|^p over several views of one photograph. */

import { draw, fetchPlanes, make, mount, picture, slider } from "./parts.js";

const SIDE = 128; // px of a view
const TOP = 64; // px: of the middle view
const LEFT = 64;
const STEP = 3; // px between two views
const HALVINGS = 12; // finer than a level of 255

/** `count` views of a photograph (3, H, W), from above to below: planes (3, 128, 128). */
export function views({ planes, width, height }, count) {
  return Array.from({ length: count }, (_, k) => {
    const top = TOP + STEP * (k - Math.floor(count / 2));
    const view = new Float32Array(3 * SIDE * SIDE);
    let i = 0;
    for (let channel = 0; channel < 3; channel++) {
      for (let y = 0; y < SIDE; y++) {
        const start = (channel * height + top + y) * width + LEFT;
        view.set(planes.subarray(start, start + SIDE), i);
        i += SIDE;
      }
    }
    return view;
  });
}

/** The minimum over c of the sum of |c - v|^p, p from 1, by halving the interval. */
export function answer(values, p) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    let slope = 0;
    for (const value of values) {
      const gap = middle - value;
      slope += Math.sign(gap) * Math.abs(gap) ** (p - 1);
    }
    if (slope > 0) high = middle;
    else low = middle;
  }
  return (low + high) / 2;
}

function answers(stack, p) {
  return stack[0].map((_, i) => answer(stack.map((view) => view[i]), p));
}

/** Mean absolute difference of neighbouring pixels, in percent: less is softer. */
export function detail(planes) {
  let sum = 0;
  for (let i = 1; i < planes.length; i++) {
    if (i % SIDE) sum += Math.abs(planes[i] - planes[i - 1]);
  }
  return (100 * sum) / ((planes.length / SIDE) * (SIDE - 1));
}

async function build() {
  const photo = await fetchPlanes("coffee.png");
  const power = (exponent) => 2 ** exponent;
  const text = (exponent) => power(exponent).toFixed(2);
  const p = slider("p", { min: 0, max: 4, step: 0.25, value: 1, text }, update);
  const range = { min: 3, max: 15, step: 2, value: 9 };
  const count = slider("Views", range, update);
  const one = picture(SIDE, SIDE, "One of the views");
  const best = picture(SIDE, SIDE, "The answer with the least loss");
  const status = make("p", { role: "status" });
  function update() {
    const stack = views(photo, count.value);
    const found = answers(stack, power(p.value));
    const middle = stack[Math.floor(count.value / 2)];
    draw(one.canvas, middle);
    draw(best.canvas, found);
    status.textContent =
      `p = ${text(p.value)}: neighbouring pixels of the answer differ by ` +
      `${detail(found).toFixed(2)} %, those of a view by ${detail(middle).toFixed(2)} %.`;
  }
  update();
  return [
    make("div", { className: "controls" }, p.element, count.element),
    make("div", { className: "pictures" }, one.figure, best.figure),
    status,
  ];
}

mount("loss-power", build);
