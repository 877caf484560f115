/* The whole way from a photograph and a mask to the completed photograph. */

import { division, phase } from "./phases.js";
import { extent, plan, smallerHole } from "./regions.js";
import { enlarged, shrunk } from "./resize.js";
import { harmonic } from "./seams.js";
import { gather, numbers, padded, scatter } from "./tensors.js";

const MAX_MISSING = 0.95;

/** A sentence on what is wrong with the mask, or "" if nothing is. */
export function complaint(mask) {
  const missing = mask.reduce((sum, value) => sum + value, 0) / mask.length;
  if (!missing) return "Nothing is painted: mark what shall be filled.";
  if (missing > MAX_MISSING) {
    return `${(100 * missing).toFixed(0)} % is painted; at most 95 % may be missing.`;
  }
  return "";
}

/** `photo` is { data: RGBA, width, height }, `mask` a Uint8Array, 1 = missing.

    `run(image, hole, rows, columns)` is the network on one picture: a promise of planes of
    float32. `report(done, all)` is told after each. `whole` completes all phases of the
    photograph, as the paper does; else crops around the holes are completed, and the steps
    in brightness at their borders removed. Known pixels come back as they were. */
export async function complete(photo, mask, run, { whole = false, report, signal } = {}) {
  const { width, height } = photo;
  const data = new Uint8ClampedArray(photo.data);
  const steps = (whole ? phases : crops)({ data, width, height }, mask, run);
  for await (const [done, all] of steps) {
    report?.(done, all);
    signal?.throwIfAborted();
  }
  return { data, width, height };
}

async function* phases({ data, width, height }, mask, run) {
  const { down, across, rows, columns } = division(width, height);
  for (let i = 0; i < down * across; i++) {
    const part = phase(width, height, Math.floor(i / across), i % across);
    const { image, hole } = gather(data, mask, part);
    if (hole.includes(1)) scatter(data, mask, part, await run(image, hole, rows, columns));
    yield [i + 1, down * across];
  }
}

async function* crops({ data, width, height }, mask, run) {
  const planned = plan(mask, [height, width]);
  const all = planned.reduce((sum, { tiles }) => sum + tiles.length, 0);
  let done = 0;
  for (const crop of planned) {
    const pixels = numbers(crop.window, width);
    const shape = extent(crop.window);
    const { image, hole } = smaller(gather(data, mask, { pixels }), shape, crop.size);
    for (const part of crop.tiles) {
      await completeTile(image, hole, crop.size, part, run);
      yield [++done, all];
    }
    const same = shape.every((side, k) => side === crop.size[k]);
    const fill = (same ? image : enlarged(image, crop.size, shape)).map(clamped);
    scatter(data, mask, { pixels }, blended(fill, gather(data, mask, { pixels }), shape));
  }
}

// NaN, which `scatter` refuses, stays.
const clamped = (value) => (value < 0 ? 0 : value > 1 ? 1 : value);

const blended = (fill, { image, hole }, shape) =>
  harmonic(fill, image, Uint8Array.from(hole), shape);

/** A crop at the size at which it is completed: of what is known around each pixel the
    mean. */
function smaller({ image, hole }, shape, size) {
  if (shape.every((side, k) => side === size[k])) return { image, hole };
  const known = image.map((value, i) => value * (1 - hole[i % hole.length]));
  const { weight, hole: left } = smallerHole(hole, shape, size);
  const small = shrunk(known, shape, size).map((value, i) => {
    const at = i % left.length;
    return left[at] ? 1 : value / weight[at];
  });
  return { image: small, hole: Float32Array.from(left) };
}

/** Complete a tile in place; the core, now known, is written into `image` and `hole`. */
async function completeTile(image, hole, size, { tile, core }, run) {
  const { planes, rows, columns } = padded(image, size, tile);
  const masked = padded(hole, size, tile).planes;
  const completed = await run(planes, masked, rows, columns);
  const [count, pixels] = [size[0] * size[1], numbers(core, size[1])];
  pixels.forEach((pixel) => {
    const [y, x] = [Math.floor(pixel / size[1]) - tile.top, (pixel % size[1]) - tile.left];
    for (let channel = 0; channel < 3; channel++) {
      image[channel * count + pixel] = completed[(channel * rows + y) * columns + x];
    }
    hole[pixel] = 0;
  });
}
