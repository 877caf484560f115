/* The recorded training of the shipped weights, step by step: its curves, and pictures of
   its milestones where there are any. */

import { address, fetchData, make, mount, slider } from "./parts.js";

const WIDTH = 640;
const HEIGHT = 120;
const SVG = "http://www.w3.org/2000/svg";

/** The last recorded [step, value] up to `step`; null before the first. */
export function last(points, step) {
  return points.findLast(([at]) => at <= step) ?? null;
}

/** The last milestone up to `step`; null before the first. */
export function milestone(milestones, step) {
  return milestones.findLast((each) => each.step <= step) ?? null;
}

function svg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** A curve from 0 to its largest value over `steps`, and a line that can be moved. */
function chart(name, points, steps) {
  const most = Math.max(...points.map(([, value]) => value));
  const x = (step) => (WIDTH * step) / steps;
  const line = points.map(([step, value]) => `${x(step)},${HEIGHT * (1 - value / most)}`);
  const drawing = svg("svg", {
    viewBox: `0 -2 ${WIDTH} ${HEIGHT + 4}`, role: "img", "aria-label": `${name}, by step`,
  });
  const style = { fill: "none", stroke: "currentColor", "stroke-width": 2 };
  const cursor = svg("line", { y1: 0, y2: HEIGHT, stroke: "#b3005e", "stroke-width": 2 });
  drawing.append(svg("polyline", { points: line.join(" "), ...style }), cursor);
  const text = make("span");
  const move = (step) => {
    cursor.setAttribute("x1", x(step));
    cursor.setAttribute("x2", x(step));
    const found = last(points, step);
    text.textContent = found ? `${found[1].toPrecision(4)} at step ${found[0]}` : "not yet";
  };
  return { row: make("figure", {}, make("figcaption", {}, `${name}: `, text), drawing), move };
}

async function build() {
  const { curves, milestones, steps } = await (await fetchData("training.json")).json();
  const at = slider("Step", { min: 0, max: steps, value: steps }, update);
  const charts = Object.entries(curves).map(([name, points]) => chart(name, points, steps));
  const image = make("img", { style: "max-width: 100%" });
  const caption = make("figcaption");
  const figure = make("figure", { hidden: !milestones.length }, image, caption);
  function update() {
    charts.forEach(({ move }) => move(at.value));
    const shown = milestone(milestones, at.value) ?? milestones[0];
    if (!shown) return;
    image.src = address(shown.file);
    image.alt = caption.textContent = `Photographs completed at step ${shown.step}`;
  }
  update();
  return [make("div", { className: "controls" }, at.element), figure, ...charts.map(({ row }) => row)];
}

mount("training", build);
