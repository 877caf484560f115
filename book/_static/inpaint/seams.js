/* A harmonic correction that removes the step in brightness at a hole's border:
   gin/inference/seams.py. Planes are float32 (3, H, W), masks Uint8Array (H, W). */

import { cut, extent, tight } from "./regions.js";
import { numbers } from "./tensors.js";

const DIRECT = 20_000; // pixels: larger holes are solved at full size only in a band
const BAND = 16; // px: width of the band along the border
const ENOUGH = 1e-6; // of the scale from black to white: the largest residual that stays
const MAX_STEPS = 2000;

/** `fill` without the step from it, inside `hole`, to `image` outside. */
export function harmonic(fill, image, hole, [height, width]) {
  const box = beside(hole, [height, width]);
  const [rows, columns] = extent(box);
  const missing = cut(hole, width, box);
  const pixels = numbers(box, width);
  const grid = { height: rows, width: columns, near: neighbours(rows, columns) };
  const border = rim(missing, grid);
  const result = fill.slice();
  for (let start = 0; start < fill.length; start += height * width) {
    const inside = cut(fill.subarray(start), width, box);
    const outside = cut(image.subarray(start), width, box);
    const step = new Float32Array(missing.length);
    for (let i = 0; i < step.length; i++) {
      if (border[i]) step[i] = outside[i] - mean(inside, missing, grid.near, i);
    }
    const correction = extended(step, border, missing, grid);
    for (let i = 0; i < step.length; i++) {
      if (missing[i]) result[start + pixels[i]] += correction[i];
    }
  }
  return result;
}

/** The box around the hole, and one pixel more on each side. */
function beside(hole, [height, width]) {
  const box = tight(hole, width, { top: 0, left: 0, bottom: height, right: width });
  return {
    top: Math.max(0, box.top - 1),
    left: Math.max(0, box.left - 1),
    bottom: Math.min(height, box.bottom + 1),
    right: Math.min(width, box.right + 1),
  };
}

/** Of each pixel the numbers of its four neighbours; -1 beyond the edge. */
function neighbours(height, width) {
  const near = new Int32Array(4 * height * width).fill(-1);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (y > 0) near[4 * i] = i - width;
      if (y + 1 < height) near[4 * i + 1] = i + width;
      if (x > 0) near[4 * i + 2] = i - 1;
      if (x + 1 < width) near[4 * i + 3] = i + 1;
    }
  }
  return near;
}

/** The pixels beside a hole. */
function rim(hole, { near }) {
  const border = new Uint8Array(hole.length);
  for (let k = 0; k < near.length; k++) {
    if (near[k] >= 0 && hole[near[k]] && !hole[k >> 2]) border[k >> 2] = 1;
  }
  return border;
}

/** The mean of a plane over the missing neighbours of pixel `i`. */
function mean(plane, hole, near, i) {
  let [sum, count] = [0, 0];
  for (let k = 4 * i; k < 4 * i + 4; k++) {
    if (near[k] < 0 || !hole[near[k]]) continue;
    sum += plane[near[k]];
    count++;
  }
  return sum / count;
}

/** The harmonic function in `hole` with these values at `border`. Deeper than `BAND` it is
    smooth, and is solved on a grid of half the size. */
function extended(values, border, hole, grid) {
  const solution = values.slice();
  if (hole.reduce((a, b) => a + b, 0) <= DIRECT) {
    solve(solution, hole, grid.near);
    return solution;
  }
  const band = hole.slice();
  const coarse = atHalfSize(values, border, hole, grid);
  distances(hole, grid).forEach((distance, i) => {
    if (distance <= BAND) return;
    solution[i] = coarse[i];
    band[i] = 0;
  });
  solve(solution, band, grid.near);
  return solution;
}

/** Laplace's equation in `hole`, in place, by conjugate gradients; the rest is given. */
function solve(values, hole, near) {
  const { pixels, links, degrees, given } = system(values, hole, near);
  const count = pixels.length;
  // With one number more, always 0, in place of what is no unknown.
  const [u, residual, direction, image] = [0, 1, 2, 3].map(() => new Float64Array(count + 1));
  let power = 0;
  for (let i = 0; i < count; i++) {
    direction[i] = residual[i] = given[i];
    power += given[i] ** 2;
  }
  for (let step = 0, most = 1; step < MAX_STEPS && most > ENOUGH && power > 0; step++) {
    let along = 0;
    for (let i = 0, k = 0; i < count; i++, k += 4) {
      const beside = direction[links[k]] + direction[links[k + 1]];
      const above = direction[links[k + 2]] + direction[links[k + 3]];
      image[i] = degrees[i] * direction[i] - beside - above;
      along += direction[i] * image[i];
    }
    const length = power / along;
    let next = (most = 0);
    for (let i = 0; i < count; i++) {
      u[i] += length * direction[i];
      residual[i] -= length * image[i];
      next += residual[i] * residual[i];
      most = Math.max(most, Math.abs(residual[i]));
    }
    for (let i = 0; i < count; i++) direction[i] = residual[i] + (next / power) * direction[i];
    power = next;
  }
  for (let i = 0; i < count; i++) values[pixels[i]] = u[i];
}

/** The unknowns: their `pixels`, of each the numbers of its four neighbours among them
    (`links`; else their count), how many neighbours it has, and the sum of the `given`. */
function system(values, hole, near) {
  const count = hole.reduce((a, b) => a + b, 0);
  const pixels = new Int32Array(count);
  const order = new Int32Array(hole.length).fill(count);
  for (let i = 0, n = 0; i < hole.length; i++) {
    if (!hole[i]) continue;
    pixels[n] = i;
    order[i] = n++;
  }
  const links = new Int32Array(4 * count).fill(count);
  const degrees = new Float64Array(count);
  const given = new Float64Array(count);
  for (let k = 0; k < links.length; k++) {
    const other = near[4 * pixels[k >> 2] + (k & 3)];
    if (other < 0) continue;
    degrees[k >> 2]++;
    if (hole[other]) links[k] = order[other];
    else given[k >> 2] += values[other];
  }
  return { pixels, links, degrees, given };
}

/** Steps from each missing pixel to the next known one, along rows and columns. */
function distances(hole, { height, width }) {
  const far = height + width;
  const found = Int32Array.from(hole, (value) => (value ? far : 0));
  const relax = (i, beside) => (found[i] = Math.min(found[i], beside + 1));
  for (let i = 0; i < found.length; i++) {
    if (i >= width) relax(i, found[i - width]);
    if (i % width) relax(i, found[i - 1]);
  }
  for (let i = found.length - 1; i >= 0; i--) {
    if (i + width < found.length) relax(i, found[i + width]);
    if ((i + 1) % width) relax(i, found[i + 1]);
  }
  return found;
}

/** The solution on blocks of 2 x 2 pixels, enlarged; valid inside the hole. */
function atHalfSize(values, border, hole, { height, width }) {
  const [rows, columns] = [Math.ceil(height / 2), Math.ceil(width / 2)];
  const low = new Float32Array(rows * columns);
  const edge = new Uint8Array(rows * columns);
  const inside = new Uint8Array(rows * columns);
  const count = new Uint8Array(rows * columns);
  for (let i = 0; i < values.length; i++) {
    const block = (Math.floor(i / width) >> 1) * columns + ((i % width) >> 1);
    inside[block] |= hole[i];
    if (!border[i]) continue;
    low[block] += values[i];
    count[block]++;
    edge[block] = 1;
  }
  for (let i = 0; i < low.length; i++) {
    if (edge[i]) {
      low[i] /= count[i];
      inside[i] = 0;
    }
  }
  const grid = { height: rows, width: columns, near: neighbours(rows, columns) };
  return doubled(extended(low, edge, inside, grid), columns, [height, width]);
}

/** Twice as large, bilinear, cut to a size. */
function doubled(plane, columns, [height, width]) {
  const rows = plane.length / columns;
  const between = (i, length) => {
    const at = Math.max(0, (i + 0.5) / 2 - 0.5);
    const first = Math.floor(at);
    return [first, Math.min(length - 1, first + 1), at - first];
  };
  const large = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    const [y0, y1, v] = between(y, rows);
    for (let x = 0; x < width; x++) {
      const [x0, x1, u] = between(x, columns);
      const row = (line) => (1 - u) * plane[line * columns + x0] + u * plane[line * columns + x1];
      large[y * width + x] = (1 - v) * row(y0) + v * row(y1);
    }
  }
  return large;
}
