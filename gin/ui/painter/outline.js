/* The outline of the tool in use, as the path of an SVG on the stage. */

import { center } from "./keyboard.js";

/** The brush's circle, the rectangle or the lasso; a cross where the keyboard is. */
export function outline({ tools, view, keyboard, hovered }) {
  const at = (point) => view.toStage(point).map((value) => value.toFixed(1));
  const point = hovered ?? (keyboard.shown ? center(keyboard.cursor) : null);
  let shape = lasso(tools.path, point, at);
  if (!point) return shape;
  const [x, y] = at(point);
  if (tools.name === "brush" || tools.name === "eraser") {
    shape += circle(x, y, Math.max(1, (tools.size * view.scale) / 2));
  }
  if (tools.name === "rectangle" && tools.press) shape += box(tools.press.start, point, view);
  if (keyboard.shown) shape += `M${x - 9} ${y}h18M${x} ${y - 9}v18`;
  return shape;
}

function lasso(path, point, at) {
  if (!path) return "";
  const points = point ? [...path, point] : path;
  const line = `M${points.map((each) => at(each).join(" ")).join("L")}`;
  return path.length > 2 ? `${line}Z` : line;
}

function box(start, point, view) {
  const low = [0, 1].map((k) => Math.floor(Math.min(start[k], point[k])));
  const high = [0, 1].map((k) => Math.floor(Math.max(start[k], point[k])) + 1);
  const [[x0, y0], [x1, y1]] = [view.toStage(low), view.toStage(high)];
  return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
}

function circle(x, y, radius) {
  const arc = `a${radius} ${radius} 0 1 0 `;
  return `M${x - radius} ${y}${arc}${2 * radius} 0${arc}${-2 * radius} 0`;
}
