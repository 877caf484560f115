/* Crops around groups of holes: gin/inference/regions.py. Masks are Uint8Array, 1 = missing,
   sizes [height, width], windows { top, left, bottom, right }. */

import { shrunk } from "./resize.js";

const CONTEXT = 1.5; // side of a crop, as a multiple of its hole's
const SIDE = 256; // px: of a tile, the network's input; minimum side of a crop
const DEPTH = 16; // px to the next known pixel: crops with deeper holes are downscaled
const CORE = 128; // px: side of the centre of a tile, which is kept
const CELL = 128; // px: holes in neighbouring cells belong to one group
const SAMPLED = 512; // px: side of the mask on which a hole's depth is measured

/** The crops that cover the holes: { window, size, tiles }. `size` is that of the smaller
    crop, which its `tiles` divide: { tile, core }, both windows of it. */
export function plan(mask, [height, width]) {
  return crops(mask, [height, width]).map((window) => {
    const hole = cut(mask, width, window);
    const shape = extent(window);
    const factor = Math.max(1, Math.min(Math.max(...shape) / SIDE, depth(hole, shape) / DEPTH));
    const size = shape.map((side) => Math.max(1, halfToEven(side / factor)));
    return { window, size, tiles: tiles(smallerHole(hole, shape, size).hole, size) };
  });
}

export const extent = ({ top, left, bottom, right }) => [bottom - top, right - left];

/** The part of a plane of this width that a window shows. */
export function cut(plane, width, { top, left, bottom, right }) {
  const part = new plane.constructor((bottom - top) * (right - left));
  for (let y = top; y < bottom; y++) {
    part.set(plane.subarray(y * width + left, y * width + right), (y - top) * (right - left));
  }
  return part;
}

/** Disjoint windows with every missing pixel in one. */
export function crops(mask, size) {
  let boxes = groups(mask, size);
  for (;;) {
    const windows = boxes.map((box) => around(box, size));
    const together = components(windows.length, (a, b) => overlap(windows[a], windows[b]));
    if (together.length === boxes.length) return windows;
    boxes = together.map((members) => members.map((i) => boxes[i]).reduce(both));
  }
}

/** The box of each group of holes in touching cells. */
function groups(mask, [height, width]) {
  const [rows, columns] = [height, width].map((side) => Math.ceil(side / CELL));
  const missing = new Uint8Array(rows * columns);
  for (let i = 0; i < mask.length; i++) {
    const [y, x] = [Math.floor(i / width), i % width];
    missing[Math.floor(y / CELL) * columns + Math.floor(x / CELL)] |= mask[i];
  }
  const cells = [...missing.keys()].filter((i) => missing[i]);
  const place = (i) => [Math.floor(i / columns), i % columns];
  const touch = (a, b) => {
    const [[y, x], [v, u]] = [place(cells[a]), place(cells[b])];
    return Math.abs(y - v) <= 1 && Math.abs(x - u) <= 1;
  };
  return components(cells.length, touch).map((members) => {
    const places = members.map((i) => place(cells[i]));
    const [ys, xs] = [places.map(([y]) => y), places.map(([, x]) => x)];
    return tight(mask, width, {
      top: Math.min(...ys) * CELL,
      left: Math.min(...xs) * CELL,
      bottom: Math.min(height, (Math.max(...ys) + 1) * CELL),
      right: Math.min(width, (Math.max(...xs) + 1) * CELL),
    });
  });
}

/** The smallest box around what is missing in a window. */
export function tight(mask, width, { top, left, bottom, right }) {
  const box = { top: bottom, left: right, bottom: top, right: left };
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      if (!mask[y * width + x]) continue;
      box.top = Math.min(box.top, y);
      box.left = Math.min(box.left, x);
      box.bottom = Math.max(box.bottom, y + 1);
      box.right = Math.max(box.right, x + 1);
    }
  }
  return box;
}

/** The crop around a box. */
function around(box, [height, width]) {
  const [top, bottom] = widened(box.top, box.bottom, height);
  const [left, right] = widened(box.left, box.right, width);
  return { top, left, bottom, right };
}

function widened(start, end, length) {
  const side = Math.min(length, Math.max(SIDE, Math.ceil(CONTEXT * (end - start))));
  const first = Math.floor((start + end - side) / 2);
  const held = Math.min(length - side, Math.max(0, first));
  return [held, held + side];
}

const overlap = (a, b) =>
  a.top < b.bottom && b.top < a.bottom && a.left < b.right && b.left < a.right;

const both = (a, b) => ({
  top: Math.min(a.top, b.top),
  left: Math.min(a.left, b.left),
  bottom: Math.max(a.bottom, b.bottom),
  right: Math.max(a.right, b.right),
});

/** The numbers below `count` in groups, joined where `linked(a, b)`. */
function components(count, linked) {
  const rest = new Set(Array(count).keys());
  const found = [];
  for (const start of rest) {
    rest.delete(start);
    const members = [start];
    for (const member of members) {
      for (const other of rest) {
        if (!linked(member, other)) continue;
        rest.delete(other);
        members.push(other);
      }
    }
    found.push(members);
  }
  return found;
}

/** The largest distance of a missing pixel from a known one, in px. */
function depth(hole, [height, width]) {
  const step = Math.ceil(Math.max(height, width) / SAMPLED);
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)];
  const squares = new Float64Array(rows * columns);
  for (let i = 0; i < squares.length; i++) {
    const at = Math.floor(i / columns) * step * width + (i % columns) * step;
    squares[i] = hole[at] ? Infinity : 0;
  }
  for (let x = 0; x < columns; x++) lowerEnvelope(squares, x, columns, rows);
  for (let y = 0; y < rows; y++) lowerEnvelope(squares, y * columns, 1, columns);
  return step * Math.sqrt(squares.reduce((a, b) => Math.max(a, b)));
}

/** Along one line of squared distances: the least of f(k) + (i - k)^2
    (Felzenszwalb and Huttenlocher, 2012). */
function lowerEnvelope(squares, start, stride, length) {
  const value = (k) => squares[start + k * stride];
  const vertices = [];
  const borders = [];
  for (let k = 0; k < length; k++) {
    if (value(k) === Infinity) continue;
    let border = -Infinity;
    while (vertices.length) {
      const last = vertices.at(-1);
      border = (value(k) + k * k - value(last) - last * last) / (2 * (k - last));
      if (border > borders.at(-1)) break;
      vertices.pop();
      borders.pop();
      border = -Infinity;
    }
    vertices.push(k);
    borders.push(border);
  }
  if (!vertices.length) return;
  const result = new Float64Array(length);
  for (let i = 0, v = 0; i < length; i++) {
    while (v + 1 < vertices.length && borders[v + 1] < i) v++;
    result[i] = value(vertices[v]) + (i - vertices[v]) ** 2;
  }
  for (let i = 0; i < length; i++) squares[start + i * stride] = result[i];
}

/** As Python's round. */
function halfToEven(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 ? below + 1 : below;
}

/** The known fraction around each pixel of the smaller crop, and what is missing there. */
export function smallerHole(hole, shape, size) {
  const known = Float32Array.from(hole, (value) => 1 - value);
  const same = shape.every((side, k) => side === size[k]);
  const weight = same ? known : shrunk(known, shape, size);
  const most = weight.reduce((a, b) => Math.max(a, b));
  return { weight, hole: Uint8Array.from(weight, (value) => value < most / 2) };
}

function tiles(hole, [height, width]) {
  if (Math.max(height, width) <= SIDE) {
    const whole = { top: 0, left: 0, bottom: height, right: width };
    return [{ tile: whole, core: whole }];
  }
  const found = [];
  for (let top = 0; top < height; top += CORE) {
    for (let left = 0; left < width; left += CORE) {
      const bottom = Math.min(height, top + CORE);
      const right = Math.min(width, left + CORE);
      const core = { top, left, bottom, right };
      if (!cut(hole, width, core).includes(1)) continue;
      const [y, x] = [span(top, height), span(left, width)];
      found.push({ tile: { top: y[0], left: x[0], bottom: y[1], right: x[1] }, core });
    }
  }
  return found;
}

/** `SIDE` px around the core from `start` on, within a side of `length` px. */
function span(start, length) {
  const side = Math.min(SIDE, length);
  const first = Math.min(Math.max(0, start - (SIDE - CORE) / 2), length - side);
  return [first, first + side];
}
