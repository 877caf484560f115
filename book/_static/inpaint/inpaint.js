/* Every <div class="gin-inpaint"> of a page: a photograph to paint a hole on, and the
   network that fills it, all of it in the reader's browser. */

import { compare } from "./compare.js";
import { complaint, complete } from "./completion.js";
import { randomMask } from "./masks.js";
import { Model } from "./model.js";
import { createMaskEditor } from "./painter/editor.js";
import { fetchPhoto, pixelsOf, readFile } from "./photos.js";

const network = new Model();
const WHERE = { webgpu: "on the graphics card", wasm: "on the processor" };

/** An element with properties, or attributes where there is no such property. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

const note = ({ model, runtimes }) => {
  const program = Math.max(...Object.values(runtimes).map(({ bytes }) => bytes));
  return (
    `The first press loads the network (${megabytes(model.bytes)} MB) and the program ` +
    `that runs it (up to ${megabytes(program)} MB, compressed a quarter of that). ` +
    "Your photograph never leaves this page."
  );
};

/** A rectangle in the middle: so that the first press of the button fills something. */
function middle(width, height) {
  const inside = (i, length) => Math.abs(i - length / 2) < length / 8;
  return Uint8Array.from({ length: width * height }, (_, i) =>
    inside(i % width, width) && inside(Math.floor(i / width), height) ? 1 : 0,
  );
}

class Inpaint {
  constructor(element, manifest) {
    this.manifest = manifest;
    this.run = null; // the AbortController of what is being completed
    this.status = make("p", { className: "gin-inpaint-status", role: "status" });
    this.whole = make("input", { type: "checkbox" }); // or crops around the holes
    this.progress = make("progress", { hidden: true, ariaLabel: "Progress" });
    this.fillButton = make("button", { type: "button", textContent: "Fill the hole" });
    this.stopButton = make("button", { type: "button", textContent: "Stop", ariaDisabled: "true" });
    this.result = make("div", { className: "gin-inpaint-result" });
    this.stage = make("div", { className: "gin-inpaint-stage" });
    this.fillButton.onclick = () => this.fill();
    this.stopButton.onclick = () => this.run?.abort();
    addEventListener("paste", (event) => this.#paste(event, element));
    const teaser = "teaser" in element.dataset;
    const whole = make("label", {}, this.whole, " the whole photograph, as in the paper");
    element.replaceChildren(
      ...(teaser ? [] : [this.#choice()]),
      this.stage,
      make(
        "div",
        { className: "gin-inpaint-buttons" },
        this.fillButton,
        this.stopButton,
        ...(teaser ? [] : [whole]),
        this.progress,
      ),
      this.status,
      this.result,
      make("p", { className: "gin-inpaint-note", textContent: note(manifest) }),
    );
  }

  say(sentence) {
    this.status.textContent = sentence;
  }

  /** The samples, and the reader's own file. */
  #choice() {
    const options = this.manifest.photos.map(({ title }, i) => new Option(title, i));
    this.select = make("select", {}, ...options);
    this.select.onchange = () => this.sample(Number(this.select.value));
    this.file = make("input", { type: "file", accept: "image/*" });
    this.file.onchange = () => this.own(this.file.files[0]);
    return make(
      "div",
      { className: "gin-inpaint-choice" },
      make("label", {}, "Photograph ", this.select),
      make("label", {}, "or a file of your own ", this.file),
    );
  }

  async sample(i) {
    const { file, title, author, licence } = this.manifest.photos[i];
    const url = new URL(file, import.meta.url);
    await this.#show(() => fetchPhoto(url), `${title}, by ${author} (${licence})`, title);
  }

  async own(file) {
    if (!file) return;
    await this.#show(() => readFile(file), file.name, file.name.replace(/\.\w+$/, ""));
  }

  /** A photograph from the clipboard, if it is pasted here or nowhere in particular. */
  #paste({ target, clipboardData }, element) {
    const file = [...clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (file && (element.contains(target) || target === document.body)) this.own(file);
  }

  async #show(open, title, name) {
    try {
      const photo = await open();
      const { width, height } = photo;
      const mask = middle(width, height);
      this.run?.abort();
      if (this.editor) {
        await this.editor.setImage(photo, { mask });
      } else {
        this.editor = createMaskEditor(this.stage, { image: photo, mask, random: randomMask });
        await this.editor.ready;
      }
      Object.assign(this, { photo, name });
      this.result.replaceChildren();
      this.say(`${title}: ${width} × ${height} px.`);
    } catch (error) {
      this.say(error.message);
    }
  }

  /** Load the network if it is not there yet, complete, and show. */
  async fill() {
    if (this.run || !this.photo) return;
    const mask = this.editor.getMask();
    const wrong = complaint(mask);
    if (wrong) return this.say(wrong);
    this.run = new AbortController();
    this.#busy(true);
    const { signal } = this.run;
    try {
      const provider = await network.load(this.manifest, this.#loaded);
      signal.throwIfAborted();
      const { photo, name } = this;
      const began = performance.now();
      const run = (...sub) => network.run(...sub);
      const options = { whole: this.whole.checked, report: this.#filled, signal };
      const done = await complete(pixelsOf(photo), mask, run, options);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      this.#present(photo, done, name);
      this.say(`Filled in ${seconds} s, ${WHERE[provider]}. Move the slider to compare.`);
    } catch (error) {
      this.say(signal.aborted ? "Stopped; what you painted is still there." : error.message);
    } finally {
      this.run = null;
      this.#busy(false);
    }
  }

  #busy(yes) {
    this.fillButton.ariaDisabled = String(yes); // and keeps the keyboard's focus
    this.stopButton.ariaDisabled = String(!yes);
    this.progress.hidden = !yes;
    this.progress.removeAttribute("value");
    if (yes) this.say("Loading the network.");
  }

  #loaded = (arrived, all) => {
    this.progress.value = arrived / all;
    if (arrived < all) {
      this.say(`Loading the network: ${megabytes(arrived)} of ${megabytes(all)} MB.`);
    } else {
      this.progress.removeAttribute("value");
      this.say("All is here; the network is being started.");
    }
  };

  #filled = (done, all) => {
    this.progress.value = done / all;
    this.say(`Filling: part ${done} of ${all}.`);
  };

  #present(photo, { data, width, height }, name) {
    const after = make("canvas", { width, height });
    after.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
    const before = make("canvas", { width, height });
    before.getContext("2d").drawImage(photo, 0, 0);
    const save = make("button", { type: "button", textContent: "Download as PNG" });
    save.onclick = () => after.toBlob((blob) => download(blob, `${name}.completed.png`));
    this.result.replaceChildren(compare(before, after), save);
  }
}

function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function main() {
  const elements = document.querySelectorAll(".gin-inpaint");
  const url = new URL("manifest.json", import.meta.url);
  const manifest = await (await fetch(url, { cache: "no-cache" })).json();
  for (const element of elements) {
    const page = new Inpaint(element, manifest);
    await page.sample(0);
    element.dataset.ready = "";
  }
}

main().catch((error) => {
  for (const element of document.querySelectorAll(".gin-inpaint")) {
    element.append(`This page's program does not start here: ${error.message}`);
  }
});
