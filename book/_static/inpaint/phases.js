/* A photograph as the sub-images that the network takes, one at a time, and back:
   gin/inpainting.py and gin/subsampling.py, pixel by pixel. */

const SIDE = 256; // px: what the network was trained on
const STRIDE = 16; // the network wants multiples of it

/** How a photograph is divided: `stride` * `stride` phases of `rows` x `columns` px. */
export function division(width, height) {
  const stride = Math.ceil(Math.max(width, height) / SIDE);
  const padded = (length) => Math.ceil(length / (stride * STRIDE)) * STRIDE;
  return { stride, rows: padded(height), columns: padded(width) };
}

/** Where pixel `i` beyond the edge comes from: numpy's "reflect". */
export function mirror(i, length) {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const place = i % period;
  return place < length ? place : period - place;
}

/** Phase (dy, dx): the numbers of its pixels in the photograph, row by row, and which
    of them are its `own` (1) rather than mirrored in from beyond an edge (0). */
export function phase(width, height, dy, dx) {
  const { stride, rows, columns } = division(width, height);
  const pixels = new Uint32Array(rows * columns);
  const own = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const y = row * stride + dy;
    for (let column = 0; column < columns; column++) {
      const x = column * stride + dx;
      const i = row * columns + column;
      pixels[i] = width * mirror(y, height) + mirror(x, width);
      own[i] = y < height && x < width;
    }
  }
  return { pixels, own };
}
