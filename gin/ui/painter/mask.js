/* A mask of 0 and 1 with its history, and the ways to paint on it; packing for Python.

   packMask(mask) and unpackMask(bytes, count) go to eight pixels a byte and back (first
   pixel = highest bit, as numpy.packbits); deflate(bytes) and inflate(bytes) are zlib, as
   promises. */

const HISTORY_BYTES = 128 << 20;

/** Pixels of 0 and 1, and what was done to them. Coordinates are in px of the photograph;
    pixel (x, y) has its centre at (x + 0.5, y + 0.5), and is painted if the centre lies in
    the shape. */
export class Mask {
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
export function around(a, b) {
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
