/* The parts of the app around the painter (panel.py): which photograph, and what becomes
   of it. Everything a person does goes to Python as a message with a number; Python
   answers at once that it has heard it. */

import { make } from "../painter/dom.js";
import { watchKernel } from "../painter/kernel.js";

const MAX_BYTES = 200_000_000; // of a file
const CHUNK = 1 << 20; // bytes a message: servers close the connection at ten times that
const PATIENCE = 4000; // ms until the page says that Python has not answered
const OTHER = "other weights";
const KEPT = "What you painted is kept on this page.";
const SILENT = `Python has not answered yet: it is busy, or has ended. ${KEPT}`;

/** Wait until Python has the mask that is painted: the last stroke takes a moment. */
async function maskConfirmed() {
  const end = performance.now() + PATIENCE;
  while (document.querySelector("[data-unconfirmed]") && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

/** What both parts have: messages that are heard, a sentence, a kernel that may end. */
class Part {
  constructor(model, element) {
    this.model = model;
    this.id = Math.random().toString(36).slice(2);
    this.number = this.heard = 0;
    this.line = make("p", { class: "gin-app-line", role: "status" });
    this.root = make("section", {
      class: `gin-painter gin-app gin-app-${model.get("part")}`,
    });
    element.append(this.root);
    this.listeners = {
      "change:state": () => this.draw(),
      "change:pictures": () => this.drawPictures(),
      "msg:custom": (message, buffers) => this.#received(message, buffers),
    };
    for (const [name, handle] of Object.entries(this.listeners)) model.on(name, handle);
    // Before JupyterLab, which takes A, B, X, arrows, ... for its cells.
    this.keys = (event) => this.#key(event);
    addEventListener("keydown", this.keys, { capture: true });
    this.unwatch = watchKernel(model, {
      ended: () => this.#ended(),
      disconnected: () => this.#connected(false),
      connected: () => this.#connected(true),
    });
  }

  drawPictures() {}

  enter() {}

  #key(event) {
    if (!this.root.contains(event.target) || event.ctrlKey || event.metaKey) return;
    event.stopPropagation();
    if (event.key === "Enter" && event.target.type === "text") this.enter();
  }

  stop() {
    for (const [name, handle] of Object.entries(this.listeners)) this.model.off(name, handle);
    removeEventListener("keydown", this.keys, { capture: true });
    clearTimeout(this.timer);
    this.unwatch();
    this.root.remove();
  }

  say(sentence, wrong = false) {
    if (this.line.textContent !== sentence) this.line.textContent = sentence;
    this.line.classList.toggle("wrong", wrong);
  }

  send(message, buffers) {
    this.number += 1;
    this.model.send({ ...message, view: this.id, number: this.number }, undefined, buffers);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.say(SILENT, true), PATIENCE);
  }

  #received(message, buffers) {
    if (message.file && message.view === this.id) save(message.file, buffers[0]);
    if (!message.heard) return;
    this.heard = message.heard;
    if (this.heard < this.number) return;
    clearTimeout(this.timer);
    if (this.line.textContent === SILENT) this.draw();
  }

  #ended() {
    this.ended = true; // another kernel knows nothing of this app
    clearTimeout(this.timer);
    this.say(`The kernel has ended: run the cell, or load the page, again. ${KEPT}`, true);
  }

  #connected(now) {
    if (this.ended) return;
    clearTimeout(this.timer);
    if (now) this.draw();
    else this.say(`The connection is lost. ${KEPT}`, true);
  }
}

/** Which photograph: a sample, or a file of the person's own. */
class Source extends Part {
  constructor(model, element) {
    super(model, element);
    const { samples } = model.get("options");
    this.root.setAttribute("aria-label", "Photograph");
    this.file = make("input", {
      type: "file", accept: "image/*,.tif,.tiff,.heic,.heif,.avif,.jp2,.tga,.ppm", "aria-label": "Photograph to upload",
      hidden: "", onchange: () => this.#upload(this.file.files[0]),
    });
    const upload = make("button", { type: "button", onclick: () => this.file.click() }, "Upload a photograph");
    upload.title = "Or paste one, or drop one here";
    this.convert = make("button", { type: "button", hidden: "", onclick: () => this.send({ do: "convert" }) }, "Convert it to sRGB");
    const row = make("div", { class: "gin-app-row" }, upload, this.file);
    if (samples.length) row.append(this.#chooser(samples));
    row.append(this.line, this.convert);
    this.root.append(row);
    this.pasted = (event) => this.#paste(event);
    document.addEventListener("paste", this.pasted);
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      this.#upload(event.dataTransfer.files[0]);
    });
    this.draw();
  }

  #chooser(samples) {
    const names = samples.map((name) => make("option", { value: name }, name));
    this.select = make(
      "select",
      { onchange: () => this.send({ do: "sample", name: this.select.value }) },
      make("option", { value: "", hidden: "" }, "—"), ...names,
    );
    return make("label", {}, "or a sample", this.select);
  }

  stop() {
    super.stop();
    document.removeEventListener("paste", this.pasted);
  }

  /** Upload a picture from the clipboard, unless it is pasted into something else. */
  #paste(event) {
    const app = this.root.closest(".widget-box") ?? this.root;
    const { target, clipboardData } = event;
    const file = [...clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (!file || !(app.contains(target) || target === document.body)) return;
    event.preventDefault();
    this.#upload(file);
  }

  draw() {
    const { said = "", wrong = false, chosen = "", cmyk } = this.model.get("state");
    this.convert.hidden = !cmyk;
    if (this.select) this.select.value = chosen;
    this.say(said, wrong);
  }

  async #upload(file) {
    if (!file) return;
    this.file.value = ""; // so that the same file can be chosen again
    const upload = (this.uploading = `${this.id}-${this.number}`);
    if (file.size > MAX_BYTES) {
      const megabytes = Math.round(file.size / 1e6);
      this.say(`${file.name} has ${megabytes} MB; expected at most ${MAX_BYTES / 1e6}.`, true);
      return;
    }
    const count = Math.max(1, Math.ceil(file.size / CHUNK));
    try {
      for (let index = 0; index < count && upload === this.uploading; index++) {
        const part = await file.slice(index * CHUNK, (index + 1) * CHUNK).arrayBuffer();
        this.say(`Uploading ${file.name}: ${Math.round((100 * index) / count)} %`);
        this.send({ do: "chunk", upload, name: file.name, index, count }, [part]);
      }
    } catch {
      this.say(`${file.name} cannot be read by the browser.`, true);
    }
  }
}

/** How to complete, and what became of it. */
class Outcome extends Part {
  constructor(model, element) {
    super(model, element);
    this.root.setAttribute("aria-label", "Completion");
    this.addresses = {};
    this.choices = model.get("options").choices;
    this.root.append(this.#settings(), this.#buttons(), this.line, this.#result());
    this.#chosen();
    this.draw();
    this.drawPictures();
  }

  stop() {
    super.stop();
    Object.values(this.addresses).forEach(URL.revokeObjectURL);
  }

  #settings() {
    const option = ({ name, label, missing_packages: missing }) =>
      make("option", { value: name, ...(missing && { disabled: "" }) }, missing ? `${label} (${missing})` : label);
    this.method = make("select", { onchange: () => this.#chosen() }, ...this.choices.map(option));
    this.other = make("input", {
      type: "text", placeholder: "absolute path, or hf:owner/name", spellcheck: "false",
    });
    this.otherRow = make("label", {}, "Weights", this.other);
    this.ensemble = make("input", { type: "checkbox" });
    this.ensembleRow = make("label", { title: "Five times the work" }, this.ensemble, "Mean of five views");
    return make("div", { class: "gin-app-row" }, make("label", {}, "Method", this.method), this.otherRow, this.ensembleRow);
  }

  #chosen() {
    const { deepgin } = this.choices.find(({ name }) => name === this.method.value);
    this.ensembleRow.hidden = !deepgin;
    this.otherRow.hidden = this.method.value !== OTHER;
  }

  #buttons() {
    this.start = make("button", { type: "button", class: "main", onclick: () => this.#complete() }, "Complete");
    this.cancel = make("button", { type: "button", onclick: () => this.#cancel() }, "Cancel");
    this.progress = make("progress", { max: "100", value: "0", "aria-label": "Progress" });
    return make("div", { class: "gin-app-row" }, this.start, this.cancel, this.progress);
  }

  enter() {
    this.#complete();
  }

  async #complete() {
    const { value: method } = this.method;
    const { checked: ensemble } = this.ensemble;
    const other = method === OTHER ? this.other.value : "";
    await maskConfirmed();
    this.send({ do: "complete", method, ensemble, other });
  }

  #cancel() {
    if (this.model.get("state").running) this.send({ do: "cancel" });
  }

  draw() {
    const { said = "", wrong = false, running, stopping, percent } = this.model.get("state");
    this.cancel.setAttribute("aria-disabled", String(!running));
    this.progress.value = percent ?? 0;
    this.progress.style.visibility = running ? "visible" : "hidden";
    if (running) this.say(stopping ? "Stopping …" : "Completing …");
    else this.say(said, wrong);
  }

  // ---- the result

  #result() {
    this.picture = make("div", { class: "gin-app-picture" });
    this.position = make("input", {
      type: "range", min: "0", max: "100", value: "50", "aria-label": "From before to after",
      oninput: () => this.#slide(),
    });
    this.stages = make("fieldset", {}, make("legend", {}, "Stage"));
    const download = make("button", { type: "button", onclick: () => this.send({ do: "save", stage: this.stage }) }, "Download PNG");
    const follow = (event) => event.buttons && this.#point(event);
    this.picture.addEventListener("pointermove", follow);
    this.picture.addEventListener("pointerdown", follow);
    this.result = make(
      "div", { class: "gin-app-result", hidden: "" },
      this.picture,
      make("div", { class: "gin-app-row slide" }, make("span", {}, "Before"), this.position, make("span", {}, "After")),
      make("div", { class: "gin-app-row" }, this.stages, download),
    );
    return this.result;
  }

  drawPictures() {
    const pictures = this.model.get("pictures");
    const [before, ...stages] = Object.keys(pictures);
    this.result.hidden = !before;
    if (!before) return;
    const old = Object.values(this.addresses);
    this.addresses = Object.fromEntries(
      Object.entries(pictures).map(([name, data]) => [name, URL.createObjectURL(new Blob([data]))]),
    );
    this.after = make("img", { draggable: "false" });
    this.picture.replaceChildren(
      make("img", {
        src: this.addresses[before], alt: "The photograph before", draggable: "false",
        onload: ({ target }) => this.#fit(target.naturalWidth / target.naturalHeight),
      }),
      this.after,
      make("span", { class: "gin-app-edge", "aria-hidden": "true" }),
    );
    this.#listStages(stages);
    this.#slide();
    Promise.resolve(this.after.decode?.()).catch(() => {}).then(() => old.forEach(URL.revokeObjectURL));
  }

  /** As wide as the panel, unless it would be taller than the window. */
  #fit(ratio) {
    this.picture.style.width = `min(100%, ${70 * ratio}vh)`;
  }

  #listStages(stages) {
    const radio = (stage) => {
      const input = make("input", { type: "radio", name: this.id, value: stage, onchange: () => this.#choose(stage) });
      return make("label", {}, input, stage);
    };
    this.stages.replaceChildren(this.stages.firstChild, ...stages.map(radio));
    this.stages.hidden = stages.length < 2;
    this.#choose(stages.includes(this.stage) ? this.stage : stages.at(-1));
  }

  #choose(stage) {
    this.stage = stage;
    for (const input of this.stages.querySelectorAll("input")) input.checked = input.value === stage;
    this.after.src = this.addresses[stage];
    this.after.alt = `The photograph after: ${stage}`;
  }

  #point(event) {
    const { left, width } = this.picture.getBoundingClientRect();
    this.position.value = String((100 * (event.clientX - left)) / width);
    this.#slide();
  }

  #slide() {
    this.picture.style.setProperty("--gin-edge", `${this.position.value}%`);
    this.position.setAttribute("aria-valuetext", `${100 - this.position.value} % after`);
  }
}

/** Through a link with a name, which works in notebooks, in VS Code and on pages. */
function save(name, data) {
  const href = URL.createObjectURL(new Blob([data], { type: "image/png" }));
  const link = make("a", { href, download: name, hidden: "" });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

function render({ model, el }) {
  const part = new (model.get("part") === "source" ? Source : Outcome)(model, el);
  return () => part.stop();
}

export default { render };
