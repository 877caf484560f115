/* A photograph as the sub-images that the network takes, one at a time, and back:
   gin/inpainting.py and gin/subsampling.py, pixel by pixel. */

import { STRIDE, mirror } from "./tensors.js";

const SIDE = 256; // px: what the network was trained on

/** How a photograph is divided: `down` * `across` phases of `rows` x `columns` px. */
export function division(width, height) {
  const stride = Math.ceil(Math.max(width, height) / SIDE);
  // Equal, unless this would pad the shorter side beyond 256 px and twice its length.
  const [down, across] = [height, width].map((side) =>
    stride * STRIDE <= Math.max(SIDE, 2 * side) ? stride : Math.floor(side / STRIDE),
  );
  const padded = (length, step) => Math.ceil(length / (step * STRIDE)) * STRIDE;
  return { down, across, rows: padded(height, down), columns: padded(width, across) };
}

/** Phase (dy, dx): the numbers of its pixels in the photograph, row by row, and which
    of them are its `own` (1) rather than mirrored in from beyond an edge (0). */
export function phase(width, height, dy, dx) {
  const { down, across, rows, columns } = division(width, height);
  const pixels = new Uint32Array(rows * columns);
  const own = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const y = row * down + dy;
    for (let column = 0; column < columns; column++) {
      const x = column * across + dx;
      const i = row * columns + column;
      pixels[i] = width * mirror(y, height) + mirror(x, width);
      own[i] = y < height && x < width;
    }
  }
  return { pixels, own };
}
