/* Photographs and masks as files, and what is wrong with them. */

import { make } from "./dom.js";

export const MAX_PIXELS = 50_000_000; // painter.py has the same limit

/** Throw a sentence unless `mask` (if there is one) fits a photograph that can be used. */
export function check(width, height, mask) {
  if (!(width > 0 && height > 0)) throw new RangeError("The photograph has no pixels.");
  if (width * height > MAX_PIXELS) {
    const found = (width * height) / 1e6;
    throw new RangeError(
      `The photograph has ${found.toFixed(1)} megapixels (${width} x ${height}); ` +
        `expected at most ${MAX_PIXELS / 1e6}.`,
    );
  }
  if (!mask) return;
  if (mask.length !== width * height) {
    throw new RangeError(
      `The mask has ${mask.length} values; expected ${width} x ${height} = ${width * height}.`,
    );
  }
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] !== 0 && mask[i] !== 1) {
      throw new RangeError(`The mask has the value ${mask[i]}; expected 0 and 1 only.`);
    }
  }
}

/** What a canvas can draw: of an address or a file, or as given. */
export async function load(source) {
  try {
    if (source instanceof Blob) return await createImageBitmap(source);
    if (typeof source !== "string" && !(source instanceof URL)) return source;
    const image = new Image();
    image.src = source;
    await image.decode();
    return image;
  } catch {
    throw new TypeError("This is not a picture that the browser can show.");
  }
}

/** Save a `Mask` as mask.png, white = missing. */
export function saveMask({ width, height, now }) {
  const canvas = make("canvas", { width, height });
  const pixels = new ImageData(width, height);
  const colours = new Uint32Array(pixels.data.buffer);
  for (let i = 0; i < now.length; i++) colours[i] = now[i] ? 0xffffffff : 0xff000000;
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  canvas.toBlob((blob) => {
    const address = URL.createObjectURL(blob);
    make("a", { href: address, download: "mask.png" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  });
}
