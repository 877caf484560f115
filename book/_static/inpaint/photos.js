/* A picture file, or a sample's address, as a canvas. */

import { MAX_PIXELS } from "./painter/files.js";

const SMALLEST = 16; // px a side: the network's stride

/** The reader's own file, turned upright; rejects with a sentence. */
export async function readFile(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    const hint = /\.hei[cf]$/i.test(file.name)
      ? "is HEIC, which this browser cannot read; save it as JPEG first."
      : "not a picture that this browser can read.";
    throw new Error(`${file.name}: ${hint}`);
  }
  return onCanvas(bitmap, file.name);
}

/** A picture of this site. */
export async function fetchPhoto(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The photograph is missing (${response.status}).`);
  return onCanvas(await createImageBitmap(await response.blob()), url.pathname);
}

/** On white, where it is transparent: a canvas cannot keep colours behind glass. */
function onCanvas(bitmap, name) {
  const { width, height } = bitmap;
  if (Math.min(width, height) < SMALLEST) {
    throw new Error(
      `${name}: ${width} × ${height} px; expected at least ${SMALLEST} px a side.`,
    );
  }
  if (width * height > MAX_PIXELS) {
    const found = Math.round((width * height) / 1e6);
    const most = MAX_PIXELS / 1e6;
    throw new Error(`${name}: ${found} megapixels; expected at most ${most}.`);
  }
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas;
}

/** { data, width, height }, RGBA. */
export function pixelsOf(canvas) {
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
}
