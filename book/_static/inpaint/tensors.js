/* Pixels of a photograph (RGBA, 8 bits) as the network's numbers, and back. Planes are
   float32 (C, H, W) in [0, 1]. */

export const STRIDE = 16; // the network wants sides that are multiples of it

/** Where pixel `i` beyond the edge comes from: numpy's "reflect". */
export function mirror(i, length) {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const place = i % period;
  return place < length ? place : period - place;
}

/** The photograph's pixels of these numbers -> { image, hole }, planes; what lies under
    the hole (1 = missing) is left out: white. */
export function gather(rgba, mask, { pixels }) {
  const count = pixels.length;
  const image = new Float32Array(3 * count);
  const hole = new Float32Array(count);
  pixels.forEach((pixel, i) => {
    hole[i] = mask[pixel];
    for (let channel = 0; channel < 3; channel++) {
      const level = mask[pixel] ? 255 : rgba[4 * pixel + channel];
      image[channel * count + i] = level / 255;
    }
  });
  return { image, hole };
}

/** Write `completed` (planes) into `rgba`: where the mask is 1, and to the phase's own
    pixels, nowhere else. */
export function scatter(rgba, mask, { pixels, own }, completed) {
  const count = pixels.length;
  pixels.forEach((pixel, i) => {
    if ((own && !own[i]) || !mask[pixel]) return;
    for (let channel = 0; channel < 3; channel++) {
      const value = completed[channel * count + i];
      if (!Number.isFinite(value)) throw new Error("The network gave no picture.");
      rgba[4 * pixel + channel] = 255 * value; // clamped and rounded, as by numpy.rint
    }
  });
}

/** The numbers of a window's pixels in a picture of this width, row by row. */
export function numbers({ top, left, bottom, right }, width) {
  const pixels = new Uint32Array((bottom - top) * (right - left));
  let i = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) pixels[i++] = y * width + x;
  }
  return pixels;
}

/** A window of planes of `height` x `width` px, mirrored at the bottom and the right to
    multiples of `STRIDE`: { planes, rows, columns }. */
export function padded(planes, [height, width], { top, left, bottom, right }) {
  const next = (length) => Math.ceil(length / STRIDE) * STRIDE;
  const [rows, columns] = [next(bottom - top), next(right - left)];
  const channels = planes.length / (height * width);
  const result = new Float32Array(channels * rows * columns);
  let i = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let row = 0; row < rows; row++) {
      const y = channel * height + top + mirror(row, bottom - top);
      for (let column = 0; column < columns; column++) {
        result[i++] = planes[y * width + left + mirror(column, right - left)];
      }
    }
  }
  return { planes: result, rows, columns };
}
