/* Pixels of a photograph (RGBA, 8 bits) as the network's numbers, and back. */

/** A phase's pixels of the photograph -> { image, hole }, planes of float32 in [0, 1]; what
    lies under the hole (1 = missing) is left out: white. */
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
    if (!own[i] || !mask[pixel]) return;
    for (let channel = 0; channel < 3; channel++) {
      const value = completed[channel * count + i];
      if (!Number.isFinite(value)) throw new Error("The network gave no picture.");
      rgba[4 * pixel + channel] = 255 * value; // clamped and rounded, as by numpy.rint
    }
  });
}
