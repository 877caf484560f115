/* Planes of float32 at another size, as torch.nn.functional.interpolate computes them. */

/** For each of `to` positions the first of the `from` that it is made of, and the weights
    from there on: mode "bilinear" with antialias, for fewer positions. */
function triangles(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const center = scale * (i + 0.5);
    const first = Math.max(0, Math.floor(center - scale + 0.5));
    const end = Math.min(from, Math.floor(center + scale + 0.5));
    const weights = [];
    for (let k = first; k < end; k++) {
      weights.push(Math.max(0, 1 - Math.abs((k + 0.5 - center) / scale)));
    }
    const sum = weights.reduce((a, b) => a + b);
    return { first, weights: weights.map((weight) => Math.fround(weight / sum)) };
  });
}

/** The same for mode "bicubic" without antialias: four weights, at the edges repeated. */
function cubics(from, to) {
  const near = (t) => ((1.25 * t - 2.25) * t) * t + 1; // a = -0.75
  const far = (t) => ((-0.75 * t + 3.75) * t - 6) * t + 3;
  return Array.from({ length: to }, (_, i) => {
    const at = (from / to) * (i + 0.5) - 0.5;
    const first = Math.floor(at) - 1;
    const t = at - first - 1;
    return { first, weights: [far(t + 1), near(t), near(1 - t), far(2 - t)] };
  });
}

/** Planes (C, H, W) with the last axis at another size; indices are held at the edges. */
function along(planes, from, positions) {
  const lines = planes.length / from;
  const to = positions.length;
  const result = new Float32Array(lines * to);
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < to; i++) {
      const { first, weights } = positions[i];
      let sum = 0;
      for (let k = 0; k < weights.length; k++) {
        const at = Math.min(from - 1, Math.max(0, first + k));
        sum += weights[k] * planes[line * from + at];
      }
      result[line * to + i] = sum;
    }
  }
  return result;
}

/** (C, H, W) -> (C, W, H). */
function transposed(planes, height, width) {
  const result = new Float32Array(planes.length);
  const size = height * width;
  for (let start = 0; start < planes.length; start += size) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        result[start + x * height + y] = planes[start + y * width + x];
      }
    }
  }
  return result;
}

function resized(planes, [height, width], [rows, columns], positions) {
  const wide = along(planes, width, positions(width, columns));
  const turned = transposed(wide, height, columns);
  return transposed(along(turned, height, positions(height, rows)), columns, rows);
}

/** Smaller planes: (C, H, W) of `shape` -> (C, h, w) of `size`. */
export const shrunk = (planes, shape, size) => resized(planes, shape, size, triangles);

/** Larger planes. */
export const enlarged = (planes, shape, size) => resized(planes, shape, size, cubics);
