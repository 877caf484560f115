/* What the modules of the pages share: controls, canvases, and their data. */

/** An element with properties, or attributes where there is no such property. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A labelled range with its value beside it: { element, value }. `text(value)` writes the
    value, `changed()` is called when it changes. */
export function slider(name, { min, max, step = 1, value, text = String }, changed) {
  const input = make("input", { type: "range", min, max, step, value });
  const output = make("output");
  const show = () => {
    output.textContent = text(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    show();
    changed();
  });
  show();
  return {
    element: make("label", {}, `${name} `, input, " ", output),
    get value() {
      return Number(input.value);
    },
  };
}

/** A labelled choice among names: { element, value }. */
export function choice(name, options, changed) {
  const select = make("select", {}, ...options.map((option) => new Option(option)));
  select.addEventListener("change", changed);
  return {
    element: make("label", {}, `${name} `, select),
    get value() {
      return select.value;
    },
  };
}

/** A figure with a caption below its canvas of `width` x `height` px. */
export function picture(width, height, caption) {
  const canvas = make("canvas", { width, height, role: "img", ariaLabel: caption });
  const figure = make("figure", {}, canvas, make("figcaption", {}, caption));
  return { canvas, figure };
}

/** Draw planes (3, H, W) or (1, H, W) of [0, 1] on a canvas of that size. */
export function draw(canvas, planes) {
  const size = canvas.width * canvas.height;
  const image = new ImageData(canvas.width, canvas.height);
  for (let i = 0; i < size; i++) {
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * i + channel] = 255 * planes[i + size * (planes.length > size ? channel : 0)];
    }
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Planes of [0, 1] from white to dark red, for values of [0, 1]. */
export function heat(values) {
  const count = values.length;
  const planes = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    const t = Math.min(1, Math.max(0, values[i]));
    planes[i] = t < 0.5 ? 1 : 1.7 - 1.4 * t;
    planes[count + i] = 1 - t;
    planes[2 * count + i] = 1 - Math.min(1, 1.6 * t);
  }
  return planes;
}

/** The address of a file of the modules' data. */
export const address = (name) => new URL(`data/${name}`, import.meta.url);

/** A file of the modules' data: a Response. */
export async function fetchData(name) {
  const response = await fetch(address(name));
  if (!response.ok) throw new Error(`${name} is missing (${response.status}).`);
  return response;
}

/** A picture of the modules' data as planes: { planes, width, height }. */
export async function fetchPlanes(name) {
  const blob = await (await fetchData(name)).blob();
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const planes = new Float32Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < 3; channel++) {
      planes[channel * width * height + i] = data[4 * i + channel] / 255;
    }
  }
  return { planes, width, height };
}

/** Build the module of this name in every element that asks for it, and mark those that
    are `data-ready`. */
export async function mount(name, build) {
  for (const element of document.querySelectorAll(`[data-gin-module="${name}"]`)) {
    try {
      element.replaceChildren(...(await build()));
      element.dataset.ready = "";
    } catch (error) {
      element.replaceChildren(`This module does not start here: ${error.message}`);
    }
  }
}
