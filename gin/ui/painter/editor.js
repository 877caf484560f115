/* A mask editor for a photograph, in plain DOM; no Jupyter, no build step, no network.

   import { createMaskEditor } from "./editor.js";     // and link painter.css
   const editor = createMaskEditor(element, {
     image,        // HTMLImageElement, ImageBitmap, HTMLCanvasElement, or a URL (string, URL)
     width, height,// px of the mask; default: the image's own. The image is stretched to it.
     mask,         // Uint8Array(width * height) of 0 and 1, row by row; 1 = missing. Default: none.
     onChange,     // (mask) => void: a copy, after each finished action of the person
                   //   (stroke, shape, invert, clear, undo, redo, random, loaded); not after setMask, setImage.
     random,       // (kind, width, height) => mask | undefined, or a promise of it; kind is one of
                   //   "rectangular", "free_form", "cellular_automata". Undefined: the mask comes
                   //   later through setMask. Without this option there is no random button.
   });

   editor.ready                      promise: the image is shown (rejects with a sentence if it can't be)
   editor.setImage(image, {width, height, mask})  another photograph; empties mask and history; a promise.
                                     On bad input it rejects, and everything stays as it was.
   editor.getMask()                  a copy, Uint8Array(width * height)
   editor.setMask(mask)              undoable; throws RangeError for another length or other values
   editor.loadMask(file)             a picture file, white = missing; a promise; undoable, and told to
                                     onChange. On bad input the sentence is on the page.
   editor.undo(), redo(), clear(), invert(), open() a file dialog for a mask, save()
   editor.setStatus(text)            a sentence under the photograph, also for screen readers;
                                     "" shows what the tool does
   editor.width, editor.height       px of the mask
   editor.destroy()                  removes everything from `element`

   At most MAX_PIXELS pixels. An element can hold one editor; a page any number of them. */

import { HELP, TOOLS, toolbar } from "./controls.js";
import { drawing, make } from "./dom.js";
import { check, load, saveMask } from "./files.js";
import { Keyboard } from "./keyboard.js";
import { Mask, around } from "./mask.js";
import { readMask } from "./mask_file.js";
import { outline } from "./outline.js";
import { Pointers } from "./pointers.js";
import { Tools } from "./tools.js";
import { View } from "./view.js";

export function createMaskEditor(element, options) {
  return new MaskEditor(element, options);
}

class MaskEditor {
  constructor(element, { image, width, height, mask, onChange, random }) {
    this.onChange = onChange ?? (() => {});
    this.random = random;
    this.hovered = null; // where the pointer is, px of the photograph
    this.stopped = new AbortController();
    const { signal } = this.stopped;
    this.tools = new Tools(this);
    this.#build(element);
    this.view = new View(this.stage, ...this.canvases);
    this.keyboard = new Keyboard(this, signal);
    this.pointers = new Pointers(this, signal);
    this.#choose("brush");
    this.observer = new ResizeObserver(() => this.#layout());
    this.observer.observe(this.root);
    this.#watchDensity();
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
    if (this.mask) this.#replace(new Uint8Array(this.mask.now.length));
  }

  invert() {
    if (!this.mask) return;
    this.tools.cancel();
    this.mask.invert();
    this.finish();
  }

  open() {
    this.file.click();
  }

  async loadMask(file) {
    const { mask } = this;
    if (!mask || !file) return;
    try {
      const values = await readMask(file, mask.width, mask.height);
      if (mask !== this.mask) return; // another photograph was set
      this.setStatus("");
      this.#replace(values);
    } catch (error) {
      this.setStatus(error.message);
    }
  }

  save() {
    if (this.mask) saveMask(this.mask);
  }

  setStatus(text) {
    const [, title, , hint] = TOOLS.find(([name]) => name === this.tools.name);
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
    this.canvases = [1, 2].map(() => make("canvas", { "aria-hidden": "true" }));
    this.outline = drawing({ class: "under" }, { class: "over" });
    this.stage = make(
      "div",
      {
        class: "gin-painter-stage", tabindex: "0", role: "application",
        "aria-label": "Photograph", "aria-roledescription": "mask editor",
        "aria-describedby": `${id}-help`,
      },
      ...this.canvases, this.outline,
    );
    this.status = make("span", { class: "gin-painter-status", role: "status" });
    this.facts = make("span", { class: "gin-painter-facts" });
    const help = make("p", { id: `${id}-help` }, HELP);
    this.file = make("input", {
      type: "file", accept: "image/*", hidden: "", "aria-label": "Mask to load",
      onchange: () => {
        this.loadMask(this.file.files[0]);
        this.file.value = ""; // so that the same file can be chosen again
      },
    });
    const onRandom = this.random && ((kind) => this.#randomise(kind));
    this.root = make(
      "div",
      { class: "gin-painter", role: "group", "aria-label": "Mask painter" },
      toolbar((name) => this.act(name), this.#sizeControl(), onRandom),
      this.file,
      this.stage,
      make("div", { class: "gin-painter-foot" }, this.status, this.facts),
      make("details", { class: "gin-painter-help" }, make("summary", {}, "Keyboard and gestures"), help),
    );
    element.append(this.root);
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

  #button(name) {
    return this.root.querySelector(`button[data-name="${name}"]`);
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
    this.tools.forget();
    this.keyboard.cursor = [mask.width / 2, mask.height / 2].map(Math.floor);
    this.stage.setAttribute("aria-label", `Photograph, ${mask.width} by ${mask.height} pixels`);
    this.#resizeBrush(Math.max(4, Math.max(mask.width, mask.height) / 16));
    this.#setHeight();
    this.view.show(image, mask);
    this.setStatus("");
    this.#refresh();
    this.redraw();
  }

  #layout() {
    if (!this.mask) return;
    this.#setHeight();
    this.view.resize();
    this.redraw();
  }

  #setHeight() {
    const most = Math.max(240, Math.min(560, 0.75 * window.innerHeight));
    const natural = (this.stage.clientWidth * this.mask.height) / this.mask.width;
    this.stage.style.height = `${Math.round(Math.min(most, natural))}px`;
  }

  /** Draw all of it with the next frame. */
  redraw() {
    this.stale = "view";
    this.frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** Draw the mask in `area`, px of the photograph, with the next frame. */
  redrawMask(area) {
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
      this.drawOutline();
    } else if (stale) this.view.drawMask(stale);
  }

  /** Draw the outline of the tool now. */
  drawOutline() {
    if (!this.mask || !this.view.width) return;
    const shape = outline(this);
    for (const path of this.outline.children) path.setAttribute("d", shape);
  }

  /** Everything that depends on the mask, which changed in `area`. */
  #refresh(area) {
    const { missing, now, done, undone } = this.mask;
    const share = (100 * missing) / now.length;
    const text = missing && share < 0.1 ? "under 0.1" : share.toFixed(1);
    this.facts.textContent = `${text} % missing`;
    this.#button("undo").setAttribute("aria-disabled", String(!done.length));
    this.#button("redo").setAttribute("aria-disabled", String(!undone.length));
    this.redrawMask(area);
  }

  // ---- actions of the person

  /** An action is over: make it a step of the history, and report it. */
  finish() {
    const { touched } = this.mask;
    if (!this.mask.commit()) return;
    this.#refresh(touched);
    this.onChange(this.getMask());
  }

  #replace(values) {
    this.tools.cancel();
    this.mask.replace(values);
    this.finish();
  }

  #step(name, otherwise) {
    if (!this.mask) return;
    this.tools.cancel();
    const area = this.mask[name]();
    this.setStatus(area ? "" : otherwise);
    if (!area) return;
    this.#refresh(area);
    this.onChange(this.getMask());
  }

  /** What the button or the key of this name does. */
  act(name) {
    if (TOOLS.some(([tool]) => tool === name)) {
      this.#choose(name);
      return;
    }
    if (!this.mask) return;
    const { size } = this.tools;
    const steps = {
      smaller: () => this.#resizeBrush(Math.min(size - 1, size / 1.15)),
      larger: () => this.#resizeBrush(Math.max(size + 1, size * 1.15)),
      zoomIn: () => this.#zoom(1.5),
      zoomOut: () => this.#zoom(1 / 1.5),
      fit: () => this.#zoom(0),
    };
    if (steps[name]) steps[name]();
    else this[name](); // undo, redo, invert, clear, open, save
  }

  #choose(tool) {
    this.tools.cancel();
    this.tools.name = this.stage.dataset.tool = tool;
    for (const [name] of TOOLS) {
      this.#button(name).setAttribute("aria-pressed", String(name === tool));
    }
    this.setStatus("");
    this.drawOutline();
  }

  get #largest() {
    return Math.max(16, Math.max(this.width, this.height) / 3);
  }

  #resizeBrush(size, sliding = false) {
    this.tools.size = Math.round(Math.min(this.#largest, Math.max(1, size)));
    const { size: now } = this.tools;
    if (!sliding) this.slider.value = (100 * Math.log(now)) / Math.log(this.#largest);
    this.sizeText.textContent = `${now} px`;
    this.slider.setAttribute("aria-valuetext", `${now} pixels`);
    this.drawOutline();
  }

  #zoom(factor) {
    if (factor) this.view.zoom(factor);
    else this.view.fit();
    this.setStatus(`${Math.round(100 * this.view.scale)} %`);
    this.redraw();
  }

  async #randomise(kind) {
    if (!this.mask) return;
    const { mask } = this;
    this.setStatus("Drawing a random mask …");
    try {
      const values = await this.random(kind, mask.width, mask.height);
      if (!values || mask !== this.mask) return;
      check(mask.width, mask.height, values);
      this.setStatus("");
      this.#replace(values);
    } catch (error) {
      this.setStatus(error.message);
    }
  }
}
