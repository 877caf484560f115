/* The whole way from a photograph and a mask to the completed photograph. */

import { division, phase } from "./phases.js";
import { gather, scatter } from "./tensors.js";

const MOST_MISSING = 0.95;

/** A sentence on what is wrong with the mask, or "" if nothing is. */
export function complaint(mask) {
  const missing = mask.reduce((sum, value) => sum + value, 0) / mask.length;
  if (!missing) return "Nothing is painted: mark what shall be filled.";
  if (missing > MOST_MISSING) {
    return `${(100 * missing).toFixed(0)} % is painted; at most 95 % may be missing.`;
  }
  return "";
}

/** `photo` is { data: RGBA, width, height }, `mask` a Uint8Array, 1 = missing.

    `run(image, hole, rows, columns)` is the network on one sub-image: a promise of
    planes of float32. `report(done, all)` is told after each. Known pixels come back
    as they were. */
export async function complete(photo, mask, run, report = () => {}, signal = null) {
  const { width, height } = photo;
  const { stride, rows, columns } = division(width, height);
  const data = new Uint8ClampedArray(photo.data);
  for (let i = 0; i < stride * stride; i++) {
    signal?.throwIfAborted();
    const part = phase(width, height, Math.floor(i / stride), i % stride);
    const { image, hole } = gather(photo.data, mask, part);
    if (hole.includes(1)) {
      scatter(data, mask, part, await run(image, hole, rows, columns));
    }
    report(i + 1, stride * stride);
  }
  return { data, width, height };
}
