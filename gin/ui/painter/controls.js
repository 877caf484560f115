/* The painter's buttons: their names, keys and pictures. */

import { drawing, make } from "./dom.js";

export const TOOLS = [
  ["brush", "Brush", "B", "drag over what is to be filled."],
  ["eraser", "Eraser", "E", "drag over what is to stay."],
  ["rectangle", "Rectangle", "R", "drag from corner to corner."],
  ["lasso", "Lasso or polygon", "L", "draw around it, or set corner by corner."],
  ["hand", "Move the view", "H", "drag to move the view."],
];
const RANDOM = [
  ["rectangular", "Random rectangle"],
  ["free_form", "Random strokes"],
  ["cellular_automata", "Random blobs"],
];
const ACTIONS = [
  ["undo", "Undo", "Ctrl+Z"],
  ["redo", "Redo", "Ctrl+Shift+Z"],
  ["invert", "Invert", "I"],
  ["clear", "Clear", "Delete"],
  ["open", "Load a mask from a file", ""],
  ["save", "Save the mask as PNG", ""],
];
const VIEWS = [
  ["zoomOut", "Zoom out", "−"],
  ["fit", "Show all", "0"],
  ["zoomIn", "Zoom in", "+"],
];
export const KEYS = {
  b: "brush", e: "eraser", r: "rectangle", l: "lasso", h: "hand",
  i: "invert", delete: "clear", "[": "smaller", "]": "larger",
  "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", 0: "fit",
};
export const ARROWS = {
  arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1],
};
export const HELP =
  "Arrow keys move the cursor, with Shift by one pixel. Space starts and ends a stroke; " +
  "with the lasso it sets a corner, and Enter closes the shape. Escape cancels. " +
  "B brush, E eraser, R rectangle, L lasso, H move the view, square brackets change the " +
  "brush, I inverts, Delete clears, plus and minus zoom, 0 shows all. Alt erases with any " +
  "tool. Control and Z undoes, with Shift redoes. Control and the wheel, or two fingers, zoom.";

const ICONS = {
  brush: "M20.5 3.5c-3 .6-8 5-10.4 8.6l2.3 2.3c3.500-2.500 7.500-7.900 8.100-10.900zM8.400 13.400c-2.300-.2-3.600 1.200-3.900 3.100-.2 1.500-1 2.300-2 2.600 2.300 1.800 7.900 1.600 8.200-3 0-1.400-.900-2.600-2.300-2.700z",
  eraser: "M8.500 20.500 3.600 15.600a2 2 0 0 1 0-2.800l9-9a2 2 0 0 1 2.800 0l5 5a2 2 0 0 1 0 2.800l-8.900 8.900zM8.200 8.200l7.700 7.700M8.500 20.500H21",
  rectangle: "M4 6h16v12H4z",
  lasso: "M12 4c5 0 9 2.600 9 6s-4 6-9 6-9-2.600-9-6 4-6 9-6zM7 15.300a2.200 2.200 0 1 0-2.800 2.600c1 .3 2.300-.4 2.800-1.300.6 1.700-.3 3.400-2 4.400",
  hand: "M12 3v18M3 12h18M12 3 9.500 5.500M12 3l2.500 2.500M12 21l-2.500-2.500M12 21l2.500-2.500M3 12l2.500-2.500M3 12l2.500 2.500M21 12l-2.500-2.500M21 12l-2.500 2.500",
  undo: "M8.500 4.500 4 9l4.500 4.500M4 9h10a6 6 0 0 1 0 12h-4",
  redo: "M15.500 4.500 20 9l-4.500 4.500M20 9H10a6 6 0 0 0 0 12h4",
  invert: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 3v18M12 7.500h7M12 12h9M12 16.500h7",
  clear: "M4 6.500h16M9 6.500v-2h6v2M6 6.500l1 14h10l1-14M10 10.500v6M14 10.500v6",
  open: "M12 15V3.500M7.500 8.500 12 4l4.500 4.500M4 16v4.500h16V16",
  save: "M12 3.500v11.500M7.500 10.500 12 15l4.500-4.500M4 16v4.500h16V16",
  rectangular: "M4 5h2.500M9 5h3M14.500 5H17M4 5v2.500M4 10v3M4 15.500V18M17 5v2M4 18h3M9.500 12h10.500v8H9.500z",
  free_form: "M3 17c3-9 5.500-11 7-9.500s-3 7-.8 8.500 5-8.500 7.300-7.500-1.500 6 .5 7 3-1.500 4-3",
  cellular_automata: "M7 4.500c3-.8 5 .8 4.500 3s1 2.600 3.500 2.500 5 1.500 4.500 5-4 5-6.500 3.500-3-2.600-6-2.500-4-2-3-4-1.500-2.600-.8-4.500S5 5 7 4.500zM18 3.800a1.900 1.900 0 1 1 0 3.800 1.900 1.900 0 0 1 0-3.800z",
  zoomIn: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500 21 21M7.500 10.500h6M10.500 7.500v6",
  zoomOut: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500 21 21M7.500 10.500h6",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
};

function button(name, title, key, action) {
  const icon = drawing({ d: ICONS[name] });
  icon.setAttribute("viewBox", "0 0 24 24");
  const label = key ? `${title} (${key})` : title;
  return make(
    "button",
    { type: "button", "aria-label": title, title: label, "data-name": name, onclick: action },
    icon,
  );
}

/** The row of buttons. `act(name)` is called for each of them but the random masks,
    which call `onRandom(kind)`; without `onRandom` there are none. `brush` is the element
    of the group "Brush". */
export function toolbar(act, brush, onRandom) {
  const buttons = (list) =>
    list.map(([name, title, key]) => button(name, title, key, () => act(name)));
  const group = (label, ...nodes) =>
    make("div", { class: "gin-painter-group", role: "group", "aria-label": label }, ...nodes);
  const random = RANDOM.map(([kind, title]) => button(kind, title, "", () => onRandom(kind)));
  return make(
    "div",
    { class: "gin-painter-bar" },
    group("Tools", ...buttons(TOOLS)),
    group("Brush", brush),
    group("Mask", ...buttons(ACTIONS)),
    ...(onRandom ? [group("Random mask", ...random)] : []),
    group("View", ...buttons(VIEWS)),
  );
}
