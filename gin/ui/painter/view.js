/* The photograph and the mask on two canvases. */

const MAX_ZOOM = 32; // CSS px a pixel
const HATCH = 11; // CSS px between two lines of the hatching
const MISSING = [226, 0, 116, 0.55]; // red, green, blue, opacity
const HATCHED = [255, 150, 205, 0.6];
const EDGE = [255, 235, 245, 0.95];

/** Draws the photograph and the mask at the screen's resolution, zoomed and moved. */
export class View {
  constructor(stage, photoCanvas, maskCanvas) {
    this.stage = stage;
    this.photo = photoCanvas.getContext("2d");
    this.overlay = maskCanvas.getContext("2d");
    this.levels = []; // the photograph, halved again and again
    this.scale = 1; // CSS px a pixel
    this.left = 0; // CSS px from the stage's corner to the photograph's
    this.top = 0;
    this.fitted = true;
  }

  show(image, mask) {
    this.mask = mask;
    this.levels = halvings(image, mask.width, mask.height);
    this.fitted = true;
    this.resize();
  }

  /** Match the stage's size and the screen's density. */
  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height || !this.mask) return;
    this.width = width;
    this.height = height;
    this.density = window.devicePixelRatio || 1;
    for (const { canvas } of [this.photo, this.overlay]) {
      canvas.width = Math.round(width * this.density);
      canvas.height = Math.round(height * this.density);
    }
    if (this.fitted) this.fit();
    else this.#hold();
  }

  get smallest() {
    return Math.min(this.width / this.mask.width, this.height / this.mask.height);
  }

  fit() {
    this.fitted = true;
    this.scale = this.smallest;
    this.#hold();
  }

  /** Zoom by a factor; what is at (x, y), CSS px on the stage, stays there. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const most = Math.max(MAX_ZOOM, this.smallest);
    const scale = Math.min(most, Math.max(this.smallest, this.scale * factor));
    this.left = x - ((x - this.left) / this.scale) * scale;
    this.top = y - ((y - this.top) / this.scale) * scale;
    this.scale = scale;
    this.fitted = scale === this.smallest;
    this.#hold();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.#hold();
  }

  /** Move as little as needed to bring a pixel into view. */
  reveal([x, y]) {
    const [sx, sy] = this.toStage([x, y]);
    const margin = Math.min(24, this.width / 4, this.height / 4);
    const shift = (at, size) =>
      Math.max(0, margin - at) + Math.min(0, size - margin - at);
    const [dx, dy] = [shift(sx, this.width), shift(sy, this.height)];
    const [left, top] = [this.left, this.top];
    if (dx || dy) this.pan(dx, dy);
    return left !== this.left || top !== this.top;
  }

  toImage([x, y]) {
    return [(x - this.left) / this.scale, (y - this.top) / this.scale];
  }

  toStage([x, y]) {
    return [x * this.scale + this.left, y * this.scale + this.top];
  }

  drawPhoto() {
    const { photo, density } = this;
    const [width, height] = [this.mask.width, this.mask.height].map(
      (side) => side * this.scale * density,
    );
    const level = this.levels.findLast((each) => each.width >= width) ?? this.levels[0];
    photo.clearRect(0, 0, photo.canvas.width, photo.canvas.height);
    photo.imageSmoothingEnabled = this.scale * density < 3; // beyond, pixels are seen
    photo.imageSmoothingQuality = "high";
    photo.drawImage(level.image, this.left * density, this.top * density, width, height);
  }

  /** Draw the mask where [left, top, right, bottom), px of the photograph, may have changed. */
  drawMask(area = [0, 0, this.mask.width, this.mask.height]) {
    const ratio = this.scale * this.density;
    const { width, height } = this.overlay.canvas;
    const [x0, y0] = [this.left * this.density, this.top * this.density];
    const left = Math.max(0, Math.floor(x0 + area[0] * ratio) - 1);
    const top = Math.max(0, Math.floor(y0 + area[1] * ratio) - 1);
    const right = Math.min(width, Math.ceil(x0 + area[2] * ratio) + 1);
    const bottom = Math.min(height, Math.ceil(y0 + area[3] * ratio) + 1);
    if (left >= right || top >= bottom) return;
    const samples = Math.min(3, Math.max(1, Math.ceil(1 / ratio)));
    // With a pixel more on each side, to know where the mask ends.
    const columns = positions(left - 1, right + 1, x0, ratio, samples, this.mask.width);
    const rows = positions(top - 1, bottom + 1, y0, ratio, samples, this.mask.height);
    const counts = this.#count(columns, rows, samples);
    const pixels = new ImageData(right - left, bottom - top);
    this.#paint(pixels, counts, samples * samples, left + top);
    this.overlay.putImageData(pixels, left, top);
  }

  /** How many samples of each of the device's pixels are missing. */
  #count(columns, rows, samples) {
    const { now, width } = this.mask;
    const across = columns.length / samples;
    const counts = new Uint8Array((across * rows.length) / samples);
    rows.forEach((row, b) => {
      if (row < 0) return;
      const line = Math.floor(b / samples) * across;
      const start = row * width;
      for (let i = 0, a = 0; i < across; i++) {
        for (let k = 0; k < samples; k++, a++) {
          if (columns[a] >= 0) counts[line + i] += now[start + columns[a]];
        }
      }
    });
    return counts;
  }

  #paint({ data, width, height }, counts, most, phase) {
    const target = new Uint32Array(data.buffer);
    const period = Math.round(HATCH * this.density);
    const thick = Math.max(1, Math.round(this.density));
    const [plain, hatched, edge] = [MISSING, HATCHED, EDGE].map((each) => shades(each, most));
    for (let j = 0; j < height; j++) {
      for (let i = 0, at = (j + 1) * (width + 2) + 1; i < width; i++, at++) {
        const count = counts[at];
        if (!count) continue;
        const inside =
          counts[at - 1] && counts[at + 1] && counts[at - width - 2] && counts[at + width + 2];
        const hatch = (i + j + phase) % period < thick;
        target[j * width + i] = (!inside ? edge : hatch ? hatched : plain)[count];
      }
    }
  }

  /** Keep the photograph on the stage: centred, or without a gap at its sides. */
  #hold() {
    const place = (at, size, room) =>
      size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at));
    this.left = place(this.left, this.mask.width * this.scale, this.width);
    this.top = place(this.top, this.mask.height * this.scale, this.height);
  }
}

function halvings(image, width, height) {
  const levels = [{ image, width, height }];
  while (levels.at(-1).width > 512 && levels.at(-1).height > 512) {
    const { image: larger, width: w, height: h } = levels.at(-1);
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil(w / 2);
    canvas.height = Math.ceil(h / 2);
    canvas.getContext("2d").drawImage(larger, 0, 0, canvas.width, canvas.height);
    levels.push({ image: canvas, width: canvas.width, height: canvas.height });
  }
  return levels;
}

/** For each of the device's pixels, the photograph's rows (columns) that stand for it;
    -1 outside. */
function positions(from, to, origin, ratio, samples, length) {
  const found = new Int32Array((to - from) * samples);
  for (let k = 0; k < found.length; k++) {
    const at = Math.floor((from + (k + 0.5) / samples - origin) / ratio);
    found[k] = at >= 0 && at < length ? at : -1;
  }
  return found;
}

/** Colours for 0 to `most` missing samples, as ImageData keeps them. */
function shades([red, green, blue, opacity], most) {
  return Array.from({ length: most + 1 }, (_, count) => {
    const alpha = Math.round((255 * opacity * count) / most);
    return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}
