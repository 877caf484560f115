/* A mask editor for a photograph, in plain DOM; no Jupyter, no build step, no network.

   import { createMaskEditor } from "./painter.js";     // and link painter.css
   const editor = createMaskEditor(element, {
     image,        // HTMLImageElement, ImageBitmap, HTMLCanvasElement, or a URL (string, URL)
     width, height,// px of the mask; default: the image's own. The image is stretched to it.
     mask,         // Uint8Array(width * height) of 0 and 1, row by row; 1 = missing. Default: none.
     onChange,     // (mask) => void: a copy, after each finished action of the person
                   //   (stroke, shape, invert, clear, undo, redo, random); not after setMask, setImage.
     random,       // (kind, width, height) => mask | undefined, or a promise of it; kind is one of
                   //   "rectangular", "free_form", "cellular_automata". Undefined: the mask comes
                   //   later through setMask. Without this option there is no random button.
   });

   editor.ready                      promise: the image is shown (rejects with a sentence if it can't be)
   editor.setImage(image, {width, height, mask})  another photograph; empties mask and history; a promise.
                                     On bad input it rejects, and everything stays as it was.
   editor.getMask()                  a copy, Uint8Array(width * height)
   editor.setMask(mask)              undoable; throws RangeError for another length or other values
   editor.undo(), redo(), clear(), invert()
   editor.setStatus(text)            a sentence under the photograph, also for screen readers;
                                     "" shows what the tool does
   editor.width, editor.height       px of the mask
   editor.destroy()                  removes everything from `element`

   packMask(mask) and unpackMask(bytes, count) go to eight pixels a byte and back (first pixel
   = highest bit, as numpy.packbits); deflate(bytes) and inflate(bytes) are zlib, as promises.

   At most MOST_PIXELS pixels. An element can hold one editor; a page any number of them. */

export const MOST_PIXELS = 50_000_000;

const MOST_ZOOM = 32; // CSS px a pixel
const HISTORY_BYTES = 128 << 20;
const HATCH = 11; // CSS px between two lines of the hatching
const MISSING = [226, 0, 116, 0.55]; // red, green, blue, opacity
const HATCHED = [255, 150, 205, 0.6];
const EDGE = [255, 235, 245, 0.95];

// ---------------------------------------------------------------- the mask, exactly

/** Pixels of 0 and 1, and what was done to them. Coordinates are in px of the photograph;
    pixel (x, y) has its centre at (x + 0.5, y + 0.5), and is painted if the centre lies in
    the shape. */
class Mask {
  constructor(width, height, values) {
    this.width = width;
    this.height = height;
    this.now = values ?? new Uint8Array(width * height);
    this.committed = this.now.slice();
    this.missing = 0;
    for (const value of this.now) this.missing += value;
    this.touched = null; // [left, top, right, bottom) since the last commit
    this.done = [];
    this.undone = [];
  }

  /** Everything within `size` / 2 of the line from `a` to `b`; the rectangle to draw anew. */
  stroke(a, b, size, value) {
    const [ax, ay] = snap(a, size);
    const [bx, by] = snap(b, size);
    const radius = size / 2;
    return this.#rows(Math.min(ay, by) - radius, Math.max(ay, by) + radius, value, (y) => [
      capsule(ax, ay, bx, by, radius, y),
    ]);
  }

  /** From pixel to pixel, both included. */
  rectangle(a, b, value) {
    const [left, right] = [a[0], b[0]].map(Math.floor).sort((p, q) => p - q);
    const [top, bottom] = [a[1], b[1]].map(Math.floor).sort((p, q) => p - q);
    this.#rows(top, bottom + 1, value, () => [[left, right + 1]]);
  }

  /** Inside the closed line through `points`, loops included (non-zero winding). */
  polygon(points, value) {
    const heights = points.map((point) => point[1]);
    const top = heights.reduce((a, b) => Math.min(a, b));
    const bottom = heights.reduce((a, b) => Math.max(a, b));
    this.#rows(top, bottom, value, (y) => windings(points, y));
  }

  replace(values) {
    this.now.set(values);
    this.#touch(0, 0, this.width, this.height);
  }

  invert() {
    for (let i = 0; i < this.now.length; i++) this.now[i] ^= 1;
    this.#touch(0, 0, this.width, this.height);
  }

  /** Make one step of the history of what was done since the last; false if nothing. */
  commit() {
    const step = this.#difference();
    this.touched = null;
    if (!step) return false;
    this.undone = [];
    this.done.push(step);
    let bytes = this.done.reduce((sum, { bits }) => sum + bits.length, 0);
    while (bytes > HISTORY_BYTES && this.done.length > 1) {
      bytes -= this.done.shift().bits.length;
    }
    return true;
  }

  /** Forget what was done since the last commit; the rectangle to draw anew. */
  abandon() {
    const touched = this.touched;
    this.touched = null;
    if (!touched) return null;
    const [left, top, right, bottom] = touched;
    for (let y = top; y < bottom; y++) {
      const [from, to] = [y * this.width + left, y * this.width + right];
      this.now.set(this.committed.subarray(from, to), from);
    }
    return touched;
  }

  undo() {
    return this.#move(this.done, this.undone);
  }

  redo() {
    return this.#move(this.undone, this.done);
  }

  /** Fill the intervals that `spans(y)` gives for the pixel centres' heights; the rectangle
      around them. */
  #rows(top, bottom, value, spans) {
    const first = Math.max(0, Math.ceil(top - 0.5));
    const last = Math.min(this.height - 1, Math.floor(bottom - 0.5));
    let [left, right] = [this.width, 0];
    for (let y = first; y <= last; y++) {
      for (const [from, to] of spans(y + 0.5)) {
        const start = Math.max(0, Math.ceil(from - 0.5));
        const end = Math.min(this.width, Math.floor(to - 0.5) + 1);
        if (start >= end) continue;
        this.now.fill(value, y * this.width + start, y * this.width + end);
        left = Math.min(left, start);
        right = Math.max(right, end);
      }
    }
    if (left >= right) return null;
    this.#touch(left, first, right, last + 1);
    return [left, first, right, last + 1];
  }

  #touch(left, top, right, bottom) {
    this.touched = around(this.touched, [left, top, right, bottom]);
  }

  #difference() {
    if (!this.touched) return null;
    const [left, top, right, bottom] = this.touched;
    const bits = new Uint8Array(Math.ceil(((right - left) * (bottom - top)) / 8));
    let [k, changed] = [0, 0];
    for (let y = top; y < bottom; y++) {
      const end = y * this.width + right;
      for (let i = y * this.width + left; i < end; i++, k++) {
        if (this.now[i] === this.committed[i]) continue;
        bits[k >> 3] |= 128 >> (k & 7);
        changed++;
        this.missing += this.now[i] ? 1 : -1;
        this.committed[i] = this.now[i];
      }
    }
    return changed ? { area: this.touched, bits } : null;
  }

  /** Flip a step's pixels: what undoes it does it again. */
  #move(from, to) {
    const step = from.pop();
    if (!step) return null;
    const [left, top, right, bottom] = step.area;
    let k = 0;
    for (let y = top; y < bottom; y++) {
      const end = y * this.width + right;
      for (let i = y * this.width + left; i < end; i++, k++) {
        if (!(step.bits[k >> 3] & (128 >> (k & 7)))) continue;
        const value = (this.now[i] ^= 1);
        this.committed[i] = value;
        this.missing += value ? 1 : -1;
      }
    }
    to.push(step);
    return step.area;
  }
}

/** The smallest rectangle around two; `a` may be null. */
function around(a, b) {
  if (!a) return b;
  return [
    Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3]),
  ];
}

/** Odd brushes sit on a pixel's centre, even ones on a corner, so that each is symmetrical
    and a brush of one pixel paints the pixel under the pointer. */
function snap([x, y], size) {
  if (size % 2) return [Math.floor(x) + 0.5, Math.floor(y) + 0.5];
  return [Math.round(x), Math.round(y)];
}

/** Where the line at height `y` meets the points within `radius` of a segment. */
function capsule(ax, ay, bx, by, radius, y) {
  let [from, to] = [Infinity, -Infinity];
  for (const [x, height] of [[ax, ay], [bx, by]]) {
    const half = Math.sqrt(radius * radius - (y - height) ** 2);
    if (Number.isNaN(half)) continue;
    from = Math.min(from, x - half);
    to = Math.max(to, x + half);
  }
  const length = Math.hypot(bx - ax, by - ay);
  if (!length) return [from, to];
  const [ux, uy] = [(bx - ax) / length, (by - ay) / length];
  const along = within(ux, uy * (y - ay), 0, length);
  const across = within(-uy, ux * (y - ay), -radius, radius);
  const low = ax + Math.max(along[0], across[0]);
  const high = ax + Math.min(along[1], across[1]);
  return low <= high ? [Math.min(from, low), Math.max(to, high)] : [from, to];
}

/** The x with low <= slope * x + rest <= high. */
function within(slope, rest, low, high) {
  if (slope === 0) return low <= rest && rest <= high ? [-Infinity, Infinity] : [1, -1];
  const ends = [(low - rest) / slope, (high - rest) / slope];
  return slope > 0 ? ends : ends.reverse();
}

function windings(points, y) {
  const crossings = [];
  points.forEach(([bx, by], i) => {
    const [ax, ay] = points.at(i - 1);
    if (ay <= y === by <= y) return;
    crossings.push([ax + ((y - ay) / (by - ay)) * (bx - ax), ay < by ? 1 : -1]);
  });
  crossings.sort((a, b) => a[0] - b[0]);
  let winding = 0;
  const spans = [];
  crossings.forEach(([x, turn], i) => {
    winding += turn;
    if (winding) spans.push([x, crossings[i + 1][0]]);
  });
  return spans;
}

export function packMask(mask) {
  const bits = new Uint8Array(Math.ceil(mask.length / 8));
  for (let i = 0; i < mask.length; i++) if (mask[i]) bits[i >> 3] |= 128 >> (i & 7);
  return bits;
}

export function unpackMask(bits, count) {
  const mask = new Uint8Array(count);
  for (let i = 0; i < count; i++) mask[i] = (bits[i >> 3] >> (7 - (i & 7))) & 1;
  return mask;
}

export const deflate = (bytes) => through(new CompressionStream("deflate"), bytes);
export const inflate = (bytes) => through(new DecompressionStream("deflate"), bytes);

async function through(stream, bytes) {
  const piped = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(piped).arrayBuffer());
}

// ------------------------------------------------------ what is seen: photograph, mask

/** Draws the photograph and the mask at the screen's resolution, zoomed and moved. */
class View {
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
    const most = Math.max(MOST_ZOOM, this.smallest);
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
  const indices = new Int32Array((to - from) * samples);
  for (let k = 0; k < indices.length; k++) {
    const at = Math.floor((from + (k + 0.5) / samples - origin) / ratio);
    indices[k] = at >= 0 && at < length ? at : -1;
  }
  return indices;
}

/** Colours for 0 to `most` missing samples, as ImageData keeps them. */
function shades([red, green, blue, opacity], most) {
  return Array.from({ length: most + 1 }, (_, count) => {
    const alpha = Math.round((255 * opacity * count) / most);
    return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

// ------------------------------------------------------------------------ the controls

const TOOLS = [
  ["brush", "Brush", "B", "drag over what is to be filled."],
  ["eraser", "Eraser", "E", "drag over what is to stay."],
  ["rectangle", "Rectangle", "R", "drag from corner to corner."],
  ["lasso", "Lasso or polygon", "L", "draw around it, or set corner by corner."],
  ["hand", "Move the view", "H", "drag to move the view."],
];
const RANDOM = [
  ["rectangular", "Random rectangle"],
  ["free_form", "Random strokes"],
  ["cellular_automata", "Random blobs"],
];
const ACTIONS = [
  ["undo", "Undo", "Ctrl+Z"],
  ["redo", "Redo", "Ctrl+Shift+Z"],
  ["invert", "Invert", "I"],
  ["clear", "Clear", "Delete"],
];
const VIEWS = [
  ["zoomOut", "Zoom out", "−"],
  ["fit", "Show all", "0"],
  ["zoomIn", "Zoom in", "+"],
];
const KEYS = {
  b: "brush", e: "eraser", r: "rectangle", l: "lasso", h: "hand",
  i: "invert", delete: "clear", "[": "smaller", "]": "larger",
  "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", 0: "fit",
};
const ARROWS = {
  arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1],
};
const HELP =
  "Arrow keys move the cursor, with Shift by one pixel. Space puts the tool down and " +
  "lifts it; with the lasso it sets a corner, and Enter closes the shape. Escape gives up. " +
  "B brush, E eraser, R rectangle, L lasso, H move the view, square brackets change the " +
  "brush, I inverts, Delete clears, plus and minus zoom, 0 shows all. Alt erases with any " +
  "tool. Control and Z undoes, with Shift redoes. Control and the wheel, or two fingers, zoom.";

const ICONS = {
  brush: "M20.5 3.5c-3 .6-8 5-10.4 8.6l2.3 2.3c3.500-2.500 7.500-7.900 8.100-10.900zM8.400 13.400c-2.300-.2-3.600 1.200-3.900 3.100-.2 1.500-1 2.300-2 2.600 2.300 1.800 7.900 1.600 8.200-3 0-1.400-.900-2.600-2.300-2.700z",
  eraser: "M8.500 20.500 3.600 15.600a2 2 0 0 1 0-2.800l9-9a2 2 0 0 1 2.800 0l5 5a2 2 0 0 1 0 2.800l-8.900 8.900zM8.200 8.200l7.700 7.700M8.500 20.500H21",
  rectangle: "M4 6h16v12H4z",
  lasso: "M12 4c5 0 9 2.600 9 6s-4 6-9 6-9-2.600-9-6 4-6 9-6zM7 15.300a2.200 2.200 0 1 0-2.800 2.600c1 .3 2.300-.4 2.800-1.300.6 1.700-.3 3.400-2 4.400",
  hand: "M12 3v18M3 12h18M12 3 9.500 5.500M12 3l2.500 2.500M12 21l-2.500-2.500M12 21l2.500-2.500M3 12l2.500-2.500M3 12l2.500 2.500M21 12l-2.500-2.500M21 12l-2.500 2.500",
  undo: "M8.500 4.500 4 9l4.500 4.500M4 9h10a6 6 0 0 1 0 12h-4",
  redo: "M15.500 4.500 20 9l-4.500 4.500M20 9H10a6 6 0 0 0 0 12h4",
  invert: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 3v18M12 7.500h7M12 12h9M12 16.500h7",
  clear: "M4 6.500h16M9 6.500v-2h6v2M6 6.500l1 14h10l1-14M10 10.500v6M14 10.500v6",
  save: "M12 3.500v11.500M7.500 10.500 12 15l4.500-4.500M4 16v4.500h16V16",
  rectangular: "M4 5h2.500M9 5h3M14.500 5H17M4 5v2.500M4 10v3M4 15.500V18M17 5v2M4 18h3M9.500 12h10.500v8H9.500z",
  free_form: "M3 17c3-9 5.500-11 7-9.500s-3 7-.8 8.500 5-8.500 7.300-7.500-1.500 6 .5 7 3-1.500 4-3",
  cellular_automata: "M7 4.500c3-.8 5 .8 4.500 3s1 2.600 3.500 2.500 5 1.500 4.500 5-4 5-6.500 3.500-3-2.600-6-2.500-4-2-3-4-1.500-2.600-.8-4.500S5 5 7 4.500zM18 3.800a1.900 1.900 0 1 1 0 3.800 1.900 1.900 0 0 1 0-3.800z",
  zoomIn: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500 21 21M7.500 10.500h6M10.500 7.500v6",
  zoomOut: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500 21 21M7.500 10.500h6",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
};

const SVG = "http://www.w3.org/2000/svg";

function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function drawing(...shapes) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  for (const attributes of shapes) {
    const path = document.createElementNS(SVG, "path");
    for (const [name, value] of Object.entries(attributes)) path.setAttribute(name, value);
    svg.append(path);
  }
  return svg;
}

function button(name, title, key, action) {
  const icon = drawing({ d: ICONS[name] });
  icon.setAttribute("viewBox", "0 0 24 24");
  const label = key ? `${title} (${key})` : title;
  return make(
    "button",
    { type: "button", "aria-label": title, title: label, "data-name": name, onclick: action },
    icon,
  );
}

// -------------------------------------------------------------------------- the editor

export function createMaskEditor(element, options) {
  return new MaskEditor(element, options);
}

class MaskEditor {
  constructor(element, { image, width, height, mask, onChange, random }) {
    this.onChange = onChange ?? (() => {});
    this.random = random;
    this.pointers = new Map(); // fingers on the stage
    this.stopped = new AbortController();
    this.#build(element);
    this.#choose("brush");
    this.view = new View(this.stage, this.photoCanvas, this.maskCanvas);
    this.#listen();
    this.ready = this.setImage(image, { width, height, mask });
    this.ready.catch(() => {}); // the sentence is on the page
  }

  get width() {
    return this.mask?.width ?? 0;
  }

  get height() {
    return this.mask?.height ?? 0;
  }

  async setImage(source, { width, height, mask } = {}) {
    const order = (this.order = (this.order ?? 0) + 1);
    try {
      const image = await load(source);
      width ??= image.naturalWidth || image.width;
      height ??= image.naturalHeight || image.height;
      check(width, height, mask);
      if (order !== this.order || this.stopped.signal.aborted) return;
      this.#show(image, new Mask(width, height, mask && Uint8Array.from(mask)));
    } catch (error) {
      if (order === this.order) this.setStatus(error.message);
      throw error;
    }
  }

  getMask() {
    return this.mask ? this.mask.now.slice() : new Uint8Array(0);
  }

  setMask(values) {
    check(this.width, this.height, values);
    this.mask.commit();
    this.mask.replace(values);
    const { touched } = this.mask;
    this.mask.commit();
    this.#refresh(touched);
  }

  undo() {
    this.#step("undo", "Nothing to undo.");
  }

  redo() {
    this.#step("redo", "Nothing to redo.");
  }

  clear() {
    if (!this.mask) return;
    this.#cancel();
    this.mask.replace(new Uint8Array(this.mask.now.length));
    this.#finish();
  }

  invert() {
    if (!this.mask) return;
    this.#cancel();
    this.mask.invert();
    this.#finish();
  }

  setStatus(text) {
    const [, title, , hint] = TOOLS.find(([name]) => name === this.tool);
    this.status.textContent = text || `${title}: ${hint}`;
  }

  destroy() {
    this.stopped.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    this.root.remove();
  }

  // ---- building

  #build(element) {
    // Jupyter loads this module once for each widget, so counting would not do.
    const id = `gin-painter-${Math.random().toString(36).slice(2)}`;
    this.photoCanvas = make("canvas", { "aria-hidden": "true" });
    this.maskCanvas = make("canvas", { "aria-hidden": "true" });
    this.outline = drawing({ class: "under" }, { class: "over" });
    this.stage = make(
      "div",
      {
        class: "gin-painter-stage", tabindex: "0", role: "application",
        "aria-label": "Photograph", "aria-roledescription": "mask editor",
        "aria-describedby": `${id}-help`,
      },
      this.photoCanvas, this.maskCanvas, this.outline,
    );
    this.status = make("span", { class: "gin-painter-status", role: "status" });
    this.facts = make("span", { class: "gin-painter-facts" });
    const help = make("p", { id: `${id}-help` }, HELP);
    this.root = make(
      "div",
      { class: "gin-painter", role: "group", "aria-label": "Mask painter" },
      this.#toolbar(),
      this.stage,
      make("div", { class: "gin-painter-foot" }, this.status, this.facts),
      make("details", { class: "gin-painter-help" }, make("summary", {}, "Keyboard and gestures"), help),
    );
    element.append(this.root);
  }

  #toolbar() {
    this.toolButtons = TOOLS.map(([name, title, key]) =>
      button(name, title, key, () => this.#choose(name)),
    );
    const actions = ACTIONS.map(([name, title, key]) =>
      button(name, title, key, () => this.#act(name)),
    );
    [this.undoButton, this.redoButton] = actions;
    const views = VIEWS.map(([name, title, key]) =>
      button(name, title, key, () => this.#act(name)),
    );
    const chance = RANDOM.map(([kind, title]) =>
      button(kind, title, "", () => this.#randomise(kind)),
    );
    const save = button("save", "Save the mask as PNG", "", () => this.#save());
    const group = (label, ...nodes) =>
      make("div", { class: "gin-painter-group", role: "group", "aria-label": label }, ...nodes);
    return make(
      "div",
      { class: "gin-painter-bar" },
      group("Tools", ...this.toolButtons),
      group("Brush", this.#sizeControl()),
      group("Mask", ...actions, save),
      ...(this.random ? [group("Random mask", ...chance)] : []),
      group("View", ...views),
    );
  }

  #sizeControl() {
    this.slider = make("input", {
      type: "range", min: "0", max: "100", step: "1", "aria-label": "Brush size",
      title: "Brush size ([ and ])",
      oninput: () => this.#resizeBrush(this.#largest ** (this.slider.value / 100), true),
    });
    this.sizeText = make("output", { "aria-hidden": "true" });
    return make("span", { class: "gin-painter-size" }, this.slider, this.sizeText);
  }

  #listen() {
    const options = { signal: this.stopped.signal };
    const on = (name, handle) => this.stage.addEventListener(name, handle, options);
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#lost(event));
    on("pointerleave", () => this.#hover(null));
    on("dblclick", () => this.#closePolygon());
    on("contextmenu", (event) => event.preventDefault());
    on("blur", () => {
      this.#liftKeyboard();
      this.#outlineNow();
    });
    on("focus", () => {
      this.typing = true; // until a pointer presses
      this.#outlineNow();
    });
    this.stage.addEventListener("wheel", (event) => this.#wheel(event), {
      ...options, passive: false,
    });
    // Before JupyterLab, which takes A, B, X, arrows, ... for its cells.
    addEventListener("keydown", (event) => this.#key(event), { ...options, capture: true });
    this.observer = new ResizeObserver(() => this.#layout());
    this.observer.observe(this.root);
    this.#watchDensity();
  }

  #watchDensity() {
    const media = matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    const changed = () => {
      this.#layout();
      this.#watchDensity();
    };
    media.addEventListener("change", changed, { once: true, signal: this.stopped.signal });
  }

  // ---- showing

  #show(image, mask) {
    this.mask = mask;
    this.press = this.path = this.pen = null;
    this.cursor = [mask.width / 2, mask.height / 2].map(Math.floor);
    this.stage.setAttribute("aria-label", `Photograph, ${mask.width} by ${mask.height} pixels`);
    this.#resizeBrush(Math.max(4, Math.max(mask.width, mask.height) / 16));
    this.#setHeight();
    this.view.show(image, mask);
    this.setStatus("");
    this.#refresh();
    this.#redraw();
  }

  #layout() {
    if (!this.mask) return;
    this.#setHeight();
    this.view.resize();
    this.#redraw();
  }

  #setHeight() {
    const most = Math.max(240, Math.min(560, 0.75 * window.innerHeight));
    const natural = (this.stage.clientWidth * this.mask.height) / this.mask.width;
    this.stage.style.height = `${Math.round(Math.min(most, natural))}px`;
  }

  /** Draw all of it with the next frame. */
  #redraw() {
    this.stale = "view";
    this.frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** Draw the mask in `area`, px of the photograph, with the next frame. */
  #redrawMask(area) {
    if (!area) return;
    if (this.stale !== "view") this.stale = around(this.stale, area);
    this.frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const stale = this.stale;
    this.frame = this.stale = null;
    if (!this.view.width) return;
    if (stale === "view") {
      this.view.drawPhoto();
      this.view.drawMask();
      this.#outlineNow();
    } else if (stale) this.view.drawMask(stale);
  }

  /** Everything that depends on the mask, which changed in `area`. */
  #refresh(area) {
    const { missing, now, done, undone } = this.mask;
    const share = (100 * missing) / now.length;
    const text = missing && share < 0.1 ? "under 0.1" : share.toFixed(1);
    this.facts.textContent = `${text} % missing`;
    this.undoButton.setAttribute("aria-disabled", String(!done.length));
    this.redoButton.setAttribute("aria-disabled", String(!undone.length));
    this.#redrawMask(area);
  }

  /** An action of the person is over. */
  #finish() {
    const { touched } = this.mask;
    if (!this.mask.commit()) return;
    this.#refresh(touched);
    this.onChange(this.getMask());
  }

  #step(name, otherwise) {
    if (!this.mask) return;
    this.#cancel();
    const area = this.mask[name]();
    this.setStatus(area ? "" : otherwise);
    if (!area) return;
    this.#refresh(area);
    this.onChange(this.getMask());
  }

  // ---- the brush's outline, the rectangle, the lasso

  #outlineNow() {
    if (!this.mask || !this.view.width) return;
    const shape = this.#shape();
    for (const path of this.outline.children) path.setAttribute("d", shape);
  }

  #shape() {
    const at = (point) => this.view.toStage(point).map((value) => value.toFixed(1));
    const keyboard = this.typing && this.stage.matches(":focus") && !this.hovered;
    const point = this.hovered ?? (keyboard ? center(this.cursor) : null);
    let shape = "";
    if (this.path) {
      const points = point ? [...this.path, point] : this.path;
      shape += `M${points.map((each) => at(each).join(" ")).join("L")}`;
      if (this.path.length > 2) shape += "Z";
    }
    if (!point) return shape;
    const [x, y] = at(point);
    if (this.tool === "brush" || this.tool === "eraser") {
      shape += circle(x, y, Math.max(1, (this.size * this.view.scale) / 2));
    }
    if (this.tool === "rectangle" && this.press) shape += this.#box(point);
    if (keyboard) shape += `M${x - 9} ${y}h18M${x} ${y - 9}v18`;
    return shape;
  }

  #box(point) {
    const low = [0, 1].map((k) => Math.floor(Math.min(this.press.start[k], point[k])));
    const high = [0, 1].map((k) => Math.floor(Math.max(this.press.start[k], point[k])) + 1);
    const [[x0, y0], [x1, y1]] = [this.view.toStage(low), this.view.toStage(high)];
    return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
  }

  #hover(point) {
    this.hovered = point;
    this.#outlineNow();
  }

  // ---- tools: press, drag, release, by pointer or keyboard

  #start(point, erase) {
    const value = erase || this.tool === "eraser" ? 0 : 1;
    this.press = { start: point, last: point, value, freehand: false };
    if (this.tool === "lasso") this.#corner(point);
    else if (this.tool !== "rectangle") this.#drag(point);
  }

  #drag(point) {
    const { press } = this;
    if (this.tool === "lasso") this.#freehand(point);
    else if (this.tool !== "rectangle") {
      this.#redrawMask(this.mask.stroke(press.last, point, this.size, press.value));
    }
    press.last = point;
  }

  #release(point) {
    const { press } = this;
    this.press = null;
    if (!press) return;
    if (this.tool === "rectangle") this.mask.rectangle(press.start, point, press.value);
    if (this.tool === "lasso") {
      if (press.freehand && this.pathPresses === 1) this.#closePolygon();
    } else this.#finish();
    this.#outlineNow();
  }

  /** Give up what is not finished. */
  #cancel() {
    const unfinished = this.press || this.path || this.pen;
    this.press = this.path = this.pen = null;
    const area = this.mask?.abandon();
    if (area) this.#redrawMask(area);
    this.#outlineNow();
    return unfinished;
  }

  #corner(point) {
    this.pathValue = this.press.value;
    if (this.path?.length > 2 && this.#near(point, this.path[0])) {
      this.press = null;
      this.#closePolygon();
      return;
    }
    this.pathPresses = this.path ? this.pathPresses + 1 : 1;
    this.path = [...(this.path ?? []), point];
    this.setStatus("Set corners; double-click, Enter or the first corner closes the shape.");
  }

  #freehand(point) {
    const { press } = this;
    press.freehand ||= !this.#near(point, press.start, 4);
    if (press.freehand && !this.#near(point, this.path.at(-1), 1)) this.path.push(point);
  }

  #near(a, b, distance = 10) {
    return Math.hypot(a[0] - b[0], a[1] - b[1]) * this.view.scale <= distance;
  }

  #closePolygon() {
    const { path } = this;
    if (!path) return;
    this.path = this.press = null;
    if (path.length > 2) this.mask.polygon(path, this.pathValue);
    this.setStatus(path.length > 2 ? "" : "A shape needs three corners.");
    this.#finish();
    this.#outlineNow();
  }

  // ---- pointers

  #at(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left - this.stage.clientLeft, event.clientY - box.top - this.stage.clientTop];
  }

  #down(event) {
    if (!this.mask) return;
    this.stage.focus({ preventScroll: true });
    this.typing = false;
    this.stage.setPointerCapture(event.pointerId);
    const at = this.#at(event);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size > 1) {
      this.#cancel(); // two fingers zoom
    } else if (event.button === 1 || (event.button === 0 && this.tool === "hand")) {
      this.panning = true;
      event.preventDefault(); // no scrolling by the middle button
    } else if (event.button === 0 || event.button === 5) {
      this.#liftKeyboard();
      this.#start(this.view.toImage(at), event.altKey || event.button === 5);
      this.#hover(this.view.toImage(at));
    }
  }

  #move(event) {
    if (!this.mask) return;
    const at = this.#at(event);
    if (this.pointers.size > 1) this.#pinch(event.pointerId, at);
    else if (this.panning && this.pointers.has(event.pointerId)) {
      const last = this.pointers.get(event.pointerId);
      this.view.pan(at[0] - last[0], at[1] - last[1]);
      this.#redraw();
    } else if (this.press && this.pointers.has(event.pointerId)) {
      const each = event.getCoalescedEvents?.() ?? [];
      for (const step of each.length ? each : [event]) {
        this.#drag(this.view.toImage(this.#at(step)));
      }
    }
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, at);
    this.#hover(event.pointerType === "touch" && !this.press ? null : this.view.toImage(at));
  }

  #up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    this.panning = false;
    const point = this.view.toImage(this.#at(event));
    if (this.press && !this.pen) {
      if (this.tool !== "rectangle") this.#drag(point);
      this.#release(point);
    }
    if (event.pointerType === "touch") this.#hover(null);
  }

  #lost(event) {
    this.pointers.delete(event.pointerId);
    this.panning = false;
    if (this.press && !this.pen) this.#release(this.press.last);
  }

  #pinch(id, at) {
    if (!this.pointers.has(id)) return;
    const before = [...this.pointers.values()].slice(0, 2);
    this.pointers.set(id, at);
    const after = [...this.pointers.values()].slice(0, 2);
    const spread = ([a, b]) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const [from, to] = [middle(before), middle(after)];
    this.view.zoom(spread(after) / spread(before), ...from);
    this.view.pan(to[0] - from[0], to[1] - from[1]);
    this.#redraw();
  }

  #wheel(event) {
    if (!this.mask || !(event.ctrlKey || event.metaKey)) return; // the page scrolls
    event.preventDefault();
    this.view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), ...this.#at(event));
    this.#redraw();
  }

  // ---- keyboard

  #key(event) {
    if (!this.mask || !this.root.contains(event.target)) return;
    const key = event.key.toLowerCase();
    let handled = true;
    if ((event.ctrlKey || event.metaKey) && key === "z") this.#act(event.shiftKey ? "redo" : "undo");
    else if ((event.ctrlKey || event.metaKey) && key === "y") this.#act("redo");
    else if (event.target !== this.stage || event.ctrlKey || event.metaKey) handled = false;
    else if (ARROWS[key]) this.#moveCursor(ARROWS[key], event.shiftKey);
    else if (key === " " || key === "enter") this.#putDown(key === "enter", event.altKey);
    else if (key === "escape") handled = Boolean(this.#cancel());
    else if (KEYS[key]) this.#act(KEYS[key]);
    else handled = false;
    if (handled) event.preventDefault();
    if (handled || !(event.ctrlKey || event.metaKey)) event.stopPropagation();
  }

  #moveCursor([dx, dy], fine) {
    const step = fine ? 1 : Math.max(1, Math.round(Math.max(this.width, this.height) / 64));
    const hold = (value, side) => Math.min(side - 1, Math.max(0, value));
    const [x, y] = this.cursor;
    this.typing = true;
    this.cursor = [hold(x + dx * step, this.width), hold(y + dy * step, this.height)];
    this.hovered = null;
    if (this.pen) this.#drag(center(this.cursor));
    if (this.view.reveal(this.cursor)) this.#redraw();
    this.#outlineNow();
    this.setStatus(`${this.cursor[0]}, ${this.cursor[1]}${this.pen ? ", painting" : ""}`);
  }

  #putDown(enter, erase) {
    const point = center(this.cursor);
    this.typing = true;
    this.hovered = null;
    if (this.tool === "hand") return;
    if (this.tool === "lasso") {
      if (enter) this.#closePolygon();
      else {
        this.#start(point, erase);
        this.press = null;
      }
    } else if (this.pen) this.#liftKeyboard();
    else {
      this.pen = true;
      this.#start(point, erase);
      this.setStatus("The tool is down: arrow keys draw, Space lifts it.");
    }
    this.#outlineNow();
  }

  #liftKeyboard() {
    if (!this.pen) return;
    this.pen = null;
    this.#release(center(this.cursor));
    this.setStatus("The tool is lifted.");
  }

  // ---- buttons

  #act(name) {
    if (!this.mask) return;
    if (TOOLS.some(([tool]) => tool === name)) this.#choose(name);
    else if (name === "smaller") this.#resizeBrush(Math.min(this.size - 1, this.size / 1.15));
    else if (name === "larger") this.#resizeBrush(Math.max(this.size + 1, this.size * 1.15));
    else if (name === "zoomIn") this.#zoom(1.5);
    else if (name === "zoomOut") this.#zoom(1 / 1.5);
    else if (name === "fit") this.#zoom(0);
    else this[name](); // undo, redo, invert, clear
  }

  #choose(tool) {
    this.#cancel();
    this.tool = this.stage.dataset.tool = tool;
    for (const each of this.toolButtons) {
      each.setAttribute("aria-pressed", String(each.dataset.name === tool));
    }
    this.setStatus("");
    this.#outlineNow();
  }

  get #largest() {
    return Math.max(16, Math.max(this.width, this.height) / 3);
  }

  #resizeBrush(size, sliding = false) {
    this.size = Math.round(Math.min(this.#largest, Math.max(1, size)));
    if (!sliding) {
      this.slider.value = (100 * Math.log(this.size)) / Math.log(this.#largest);
    }
    this.sizeText.textContent = `${this.size} px`;
    this.slider.setAttribute("aria-valuetext", `${this.size} pixels`);
    this.#outlineNow();
  }

  #zoom(factor) {
    if (factor) this.view.zoom(factor);
    else this.view.fit();
    this.setStatus(`${Math.round(100 * this.view.scale)} %`);
    this.#redraw();
  }

  async #randomise(kind) {
    if (!this.mask) return;
    const { mask } = this;
    this.setStatus("A random mask is on its way.");
    try {
      const values = await this.random(kind, mask.width, mask.height);
      if (!values || mask !== this.mask) return;
      check(mask.width, mask.height, values);
      this.#cancel();
      mask.replace(values);
      this.setStatus("");
      this.#finish();
    } catch (error) {
      this.setStatus(error.message);
    }
  }

  #save() {
    if (!this.mask) return;
    const { width, height, now } = this.mask;
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
}

const center = ([x, y]) => [x + 0.5, y + 0.5];

function circle(x, y, radius) {
  const arc = `a${radius} ${radius} 0 1 0 `;
  return `M${x - radius} ${y}${arc}${2 * radius} 0${arc}${-2 * radius} 0`;
}

/** Throw a sentence unless `mask` (if there is one) fits a photograph that can be used. */
function check(width, height, mask) {
  if (!(width > 0 && height > 0)) throw new RangeError("The photograph has no pixels.");
  if (width * height > MOST_PIXELS) {
    const megapixels = (width * height) / 1e6;
    throw new RangeError(
      `The photograph has ${megapixels.toFixed(1)} megapixels (${width} x ${height}); ` +
        `expected at most ${MOST_PIXELS / 1e6}.`,
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
async function load(source) {
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

// ----------------------------------------------------------- Jupyter, through anywidget

const PATIENCE = 4000; // ms until the page says that Python has not answered
const TURN = 1000; // ms that painters wait for one whose mask it was
const ENDED = ["dead", "restarting", "autorestarting", "terminating"];

/** One view of a MaskPainter. The page's mask leads: it goes to Python after each action,
    and stays here whatever happens to Python. */
class Link {
  constructor(model, element) {
    this.model = model;
    this.element = element;
    this.nth = `${model.get("_nth")}-`; // which painter it is, in any kernel
    // Alone of its kind, and in the order of creation.
    this.id = `${this.nth}${Date.now()}-${Math.random().toString(36).slice(2)}`;
    this.sent = this.taken = 0; // numbers of the last mask sent, and of the last taken
    this.news = ""; // to be read until the person goes on
    this.state = "live"; // or "apart": no connection; or "ended": no kernel any more
  }

  async start() {
    const { model } = this;
    this.photo = model.get("_photo");
    const mask = await this.#painted();
    this.editor = createMaskEditor(this.element, {
      ...this.#picture(),
      mask,
      onChange: (changed) => {
        this.news = "";
        this.#changed(changed);
      },
      random: (kind) => this.#random(kind),
    });
    this.listeners = {
      "change:_photo": () => this.#replaced(),
      "change:_painted": () => this.#received(),
      "msg:custom": (message) => this.#answered(message),
    };
    for (const [name, handle] of Object.entries(this.listeners)) model.on(name, handle);
    this.leaving = () => this.taken < this.sent && this.#keep(this.last.bits);
    addEventListener("pagehide", this.leaving);
    this.#watchKernel();
    await this.editor.ready;
    if (!mask?.includes(1)) this.#bringBack();
  }

  stop() {
    for (const [name, handle] of Object.entries(this.listeners)) this.model.off(name, handle);
    removeEventListener("pagehide", this.leaving);
    this.#calm();
    this.unwatch();
    this.editor.destroy();
  }

  #picture() {
    const { data, width, height } = this.photo;
    return { image: new Blob([data]), width, height };
  }

  /** Python's mask for the photograph that is shown, if there is one. */
  async #painted() {
    const { photo, bits } = this.model.get("_painted");
    if (photo !== this.photo.number) return undefined;
    return this.#unpack(bits);
  }

  async #unpack(bits) {
    return unpackMask(await inflate(bits), this.photo.width * this.photo.height);
  }

  // ---- to Python

  async #changed(mask) {
    this.waiting = { mask, photo: this.photo.number };
    if (this.packing) return; // what is newest goes when that is done
    this.packing = true;
    while (this.waiting) {
      const { mask: newest, photo } = this.waiting;
      this.waiting = null;
      const bits = await deflate(packMask(newest));
      if (photo !== this.photo.number) continue;
      if (this.state !== "live") this.#keep(bits);
      this.#send({ photo, bits });
    }
    this.packing = false;
  }

  #send(painted) {
    this.sent += 1;
    this.last = { ...painted, by: this.id, stroke: this.sent };
    this.model.set("_painted", this.last);
    this.model.save_changes();
    if (this.state === "live") this.timer ??= setTimeout(() => this.#worry(), PATIENCE);
  }

  #calm() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  #worry() {
    this.worried = true;
    this.editor.setStatus("Python has not taken the mask yet; it is kept on this page.");
  }

  #random(kind) {
    this.model.send({ random: kind, photo: this.photo.number });
  }

  #answered({ taken }) {
    if (taken?.by !== this.id) return;
    this.taken = taken.stroke;
    if (this.taken < this.sent) return;
    this.#calm();
    if (this.worried) this.editor.setStatus(this.news);
    this.worried = false;
  }

  // ---- from Python

  async #received() {
    const painted = this.model.get("_painted");
    if (painted.by === this.id || painted.photo !== this.photo.number) return;
    const mask = await this.#unpack(painted.bits);
    if (painted !== this.model.get("_painted")) return; // there is a newer one
    this.editor.setMask(mask);
    this.editor.setStatus("");
    if (this.taken < this.sent) this.#changed(mask); // or Python would end with an older one
  }

  async #replaced() {
    const photo = (this.photo = this.model.get("_photo"));
    this.waiting = null;
    this.taken = this.sent;
    this.#calm();
    const mask = await this.#painted();
    if (photo === this.photo) await this.editor.setImage(this.#picture().image, { ...photo, mask });
  }

  // ---- a kernel or a connection that ends

  #watchKernel() {
    const kernel = this.model.widget_manager?.kernel; // JupyterLab and Voila have it
    const status = (_, now) => ENDED.includes(now) && this.#ended();
    const connection = (_, now) => (now === "connected" ? this.#joined() : this.#parted());
    kernel?.statusChanged?.connect(status);
    kernel?.connectionStatusChanged?.connect(connection);
    this.unwatch = () => {
      kernel?.statusChanged?.disconnect(status);
      kernel?.connectionStatusChanged?.disconnect(connection);
    };
  }

  #ended() {
    this.state = "ended";
    this.#keepAll("The kernel has ended. The mask is kept: run the cell again.");
  }

  #parted() {
    if (this.state !== "live") return;
    this.state = "apart";
    this.#keepAll("The connection is lost. The mask is kept on this page.");
  }

  #joined() {
    if (this.state !== "apart") return;
    this.state = "live";
    this.#takeBack(this.id);
    this.editor.setStatus("Connected again.");
    if (this.taken < this.sent) this.#send({ photo: this.last.photo, bits: this.last.bits });
  }

  async #keepAll(sentence) {
    this.#calm();
    this.editor.setStatus(sentence);
    const mask = this.editor.getMask();
    if (mask.includes(1)) this.#keep(await deflate(packMask(mask)));
  }

  get #shelf() {
    return `gin-painter:${this.photo.digest}:`;
  }

  #keep(bits) {
    let text = "";
    for (const byte of bits) text += String.fromCharCode(byte);
    try {
      sessionStorage.setItem(this.#shelf + this.id, btoa(text));
    } catch {
      // Storage is full or forbidden; the page still shows the mask.
    }
  }

  /** Take the oldest mask that was kept for this photograph and starts with `owner`. */
  #takeBack(owner = "") {
    try {
      const names = Object.keys(sessionStorage).sort();
      const name = names.find((each) => each.startsWith(this.#shelf + owner));
      const text = sessionStorage.getItem(name);
      sessionStorage.removeItem(name);
      return text;
    } catch {
      return null; // storage is forbidden
    }
  }

  /** What was painted on this photograph before Python or the page ended. */
  async #bringBack() {
    let text = this.#takeBack(this.nth);
    if (!text) {
      await new Promise((resolve) => setTimeout(resolve, TURN));
      if (!this.editor.getMask().includes(1)) text = this.#takeBack();
    }
    if (!text) return;
    const mask = await this.#unpack(Uint8Array.from(atob(text), (each) => each.charCodeAt(0)));
    this.editor.setMask(mask);
    this.news = "The mask that was painted before is back.";
    this.editor.setStatus(this.news);
    this.#changed(mask);
  }
}

async function render({ model, el }) {
  const link = new Link(model, el);
  await link.start();
  return () => link.stop();
}

export default { render };
