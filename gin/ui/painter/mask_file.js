/* A mask from a picture file: white is missing, as gin.masks.load_mask reads it. */

import { make } from "./dom.js";
import { load } from "./files.js";

const COLOUR = 64; // levels between the channels; less counts as grey
const FEW = 0.1; // share of the pixels; blurred edges and JPEG noise stay below

/** Uint8Array of 0 and 1; rejects with a sentence that begins with the file's name. */
export async function readMask(file, width, height) {
  const fail = (sentence) => {
    throw new RangeError(`${file.name}: ${sentence}`);
  };
  const image = await load(file).catch(() => fail("not a picture that the browser can show."));
  if (image.width !== width || image.height !== height) {
    fail(
      `the mask has ${image.width} x ${image.height} px; ` +
        `expected the photograph's size, ${width} x ${height}.`,
    );
  }
  const rgba = pixels(image, width, height);
  const levels = brightness(rgba);
  const count = new Array(256).fill(0);
  for (const level of levels) count[level]++;
  const present = [...count.keys()].filter((level) => count[level]);
  if (present.length !== 2) check(rgba, count, present, fail);
  const white = present.length === 2 ? present[1] : 128;
  const mask = levels.map((level) => (level >= white ? 1 : 0));
  if (!mask.includes(1)) fail("no pixel is white; white marks what is missing.");
  return mask;
}

function pixels(image, width, height) {
  const context = make("canvas", { width, height }).getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, width, height).data;
}

/** Of each pixel, 0 to 255; transparent is black, unless what is visible has one colour:
    then opaque is white. */
function brightness(rgba) {
  const grey = new Uint8Array(rgba.length / 4);
  const alpha = grey.map((_, i) => rgba[4 * i + 3]);
  let plain = true; // all that is visible has one colour
  let first = -1;
  for (let i = 0; i < grey.length; i++) {
    const [red, green, blue] = rgba.subarray(4 * i, 4 * i + 3);
    grey[i] = (red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16; // as Pillow
    if (!alpha[i]) continue;
    const colour = (red << 16) | (green << 8) | blue;
    if (first < 0) first = colour;
    plain &&= colour === first;
  }
  if (alpha.every((value) => value === alpha[0])) return grey;
  return plain ? alpha : grey.map((level, i) => Math.floor((level * alpha[i]) / 255));
}

function check(rgba, count, present, fail) {
  const total = rgba.length / 4;
  const percent = (share) => `${(100 * share).toFixed(0)} % of it is`;
  const coloured = shareOfColour(rgba);
  if (coloured > FEW) {
    fail(`${percent(coloured)} coloured; expected a mask, black and white.`);
  }
  if (present.length > 1 && present.at(-1) < 128) {
    fail(`at most ${present.at(-1)} of 255 is reached; expected white where it is missing.`);
  }
  const grey = count.slice(64, 192).reduce((sum, value) => sum + value, 0) / total;
  if (present.length > 1 && grey > FEW) {
    fail(`${percent(grey)} grey; expected a mask, black and white.`);
  }
}

function shareOfColour(rgba) {
  let coloured = 0;
  for (let i = 0; i < rgba.length; i += 4) {
    const [red, green, blue] = rgba.subarray(i, i + 3);
    coloured += Math.max(red, green, blue) - Math.min(red, green, blue) > COLOUR;
  }
  return (4 * coloured) / rgba.length;
}
