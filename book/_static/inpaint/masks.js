/* Random masks after the three kinds of gin/masks.py, a little plainer. */

const whole = (from, to) => from + Math.floor(Math.random() * (to - from + 1));

/** One mask of a kind that gin.masks.KINDS names; Uint8Array, 1 = missing. */
export function randomMask(kind, width, height) {
  const make = { rectangular, free_form: freeForm, cellular_automata: cellularAutomata };
  for (;;) {
    const mask = make[kind](width, height);
    const missing = mask.reduce((sum, value) => sum + value, 0) / mask.length;
    if (missing && missing <= 0.95) return mask;
  }
}

/** Each side 30 to 70 % of the photograph's, anywhere. */
function rectangular(width, height) {
  const mask = new Uint8Array(width * height);
  const [w, h] = [width, height].map((side) =>
    whole(Math.ceil(0.3 * side), Math.floor(0.7 * side)),
  );
  const [left, top] = [whole(0, width - w), whole(0, height - h)];
  for (let y = top; y < top + h; y++) mask.fill(1, y * width + left, y * width + left + w);
  return mask;
}

/** One to three zigzags of a round brush. */
function freeForm(width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.lineCap = context.lineJoin = "round";
  const step = Math.hypot(width, height) / 8;
  for (let strokes = whole(1, 3); strokes > 0; strokes--) {
    let [x, y] = [whole(0, width - 1), whole(0, height - 1)];
    const [right, down] = [Math.random() < 0.5 ? -1 : 1, Math.random() < 0.5 ? -1 : 1];
    context.lineWidth = whole(12, 40);
    context.beginPath();
    context.moveTo(x, y);
    for (let turn = whole(4, 11); turn > 0; turn--) {
      const angle = ((6 + (Math.random() - 0.5) * 2) * Math.PI) / 15;
      const length = step * (0.5 + Math.random());
      x += right * length * Math.cos(angle);
      y += down * length * Math.sin(turn % 2 ? -angle : angle);
      x = Math.min(Math.max(x, 0), width - 1);
      y = Math.min(Math.max(y, 0), height - 1);
      context.lineTo(x, y);
    }
    context.stroke();
  }
  const { data } = context.getImageData(0, 0, width, height);
  return Uint8Array.from({ length: width * height }, (_, i) => data[4 * i + 3] > 127);
}

/** Noise at 1, 1/2, 1/4 or 1/8 of the size, smoothed by a majority rule. */
function cellularAutomata(width, height) {
  const scale = 2 ** whole(0, 3);
  const [w, h] = [Math.ceil(width / scale), Math.ceil(height / scale)];
  let cells = Uint8Array.from({ length: w * h }, () => Math.random() < 0.5);
  for (let i = whole(2, 6); i > 0; i--) cells = majority(cells, w, h);
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return cells[Math.floor(y / scale) * w + Math.floor(x / scale)];
  });
}

function majority(cells, width, height) {
  return cells.map((_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    let votes = 0;
    for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
      for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
        votes += cells[row * width + column];
      }
    }
    return votes > 4;
  });
}
