/* The painter in Jupyter: painter.py's widget, through anywidget. */

import { createMaskEditor } from "./editor.js";
import { watchKernel } from "./kernel.js";
import { deflate, inflate, packMask, unpackMask } from "./mask.js";

const ANSWER_TIMEOUT = 4000; // ms until the page says that Python has not answered
const RESTORE_DELAY = 1000; // ms that painters wait for one whose mask it was

/** One view of a MaskPainter. The page holds the authoritative mask: it is sent to Python
    after each action, and is kept here if the kernel ends. While Python has not confirmed
    the newest mask, the element has the attribute `data-unconfirmed`. */
class Link {
  constructor(model, element) {
    this.model = model;
    this.element = element;
    this.nth = `${model.get("_nth")}-`; // which painter it is, in any kernel
    // Unique; sorts by the time of creation.
    this.id = `${this.nth}${Date.now()}-${Math.random().toString(36).slice(2)}`;
    this.sent = this.taken = 0; // numbers of the last mask sent, and of the last taken
    this.notice = ""; // to be read until the person goes on
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
        this.notice = "";
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
    this.leaving = () => this.taken < this.sent && this.#store(this.last.bits);
    addEventListener("pagehide", this.leaving);
    this.unwatch = watchKernel(model, {
      ended: () => this.#ended(),
      disconnected: () => this.#disconnected(),
      connected: () => this.#connected(),
    });
    await this.editor.ready;
    if (!mask?.includes(1)) this.#restore();
  }

  stop() {
    for (const [name, handle] of Object.entries(this.listeners)) this.model.off(name, handle);
    removeEventListener("pagehide", this.leaving);
    this.#clearTimer();
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
    this.element.dataset.unconfirmed = "";
    if (this.packing) return; // what is newest goes when that is done
    this.packing = true;
    while (this.waiting) {
      const { mask: newest, photo } = this.waiting;
      this.waiting = null;
      const bits = await deflate(packMask(newest));
      if (photo !== this.photo.number) continue;
      if (this.state !== "live") this.#store(bits);
      this.#send({ photo, bits });
    }
    this.packing = false;
    this.#markConfirmed();
  }

  #markConfirmed() {
    if (!this.packing && this.taken >= this.sent) delete this.element.dataset.unconfirmed;
  }

  #send(painted) {
    this.sent += 1;
    this.last = { ...painted, by: this.id, stroke: this.sent };
    this.model.set("_painted", this.last);
    this.model.save_changes();
    if (this.state === "live")
      this.timer ??= setTimeout(() => this.#warnUnconfirmed(), ANSWER_TIMEOUT);
  }

  #clearTimer() {
    clearTimeout(this.timer);
    this.timer = null;
  }

  #warnUnconfirmed() {
    this.warned = true;
    this.editor.setStatus("Python has not taken the mask yet; it is kept on this page.");
  }

  #random(kind) {
    this.model.send({ random: kind, photo: this.photo.number });
  }

  #answered({ taken }) {
    if (taken?.by !== this.id) return;
    this.taken = taken.stroke;
    this.#markConfirmed();
    if (this.taken < this.sent) return;
    this.#clearTimer();
    if (this.warned) this.editor.setStatus(this.notice);
    this.warned = false;
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
    this.#markConfirmed();
    this.#clearTimer();
    const mask = await this.#painted();
    if (photo === this.photo) await this.editor.setImage(this.#picture().image, { ...photo, mask });
  }

  // ---- a kernel or a connection that ends

  #ended() {
    this.state = "ended";
    this.#storeCurrent("The kernel has ended. The mask is kept: run the cell again.");
  }

  #disconnected() {
    if (this.state !== "live") return;
    this.state = "apart";
    this.#storeCurrent("The connection is lost. The mask is kept on this page.");
  }

  #connected() {
    if (this.state !== "apart") return;
    this.state = "live";
    this.#takeStored(this.id);
    this.editor.setStatus("Connected again.");
    if (this.taken < this.sent) this.#send({ photo: this.last.photo, bits: this.last.bits });
  }

  async #storeCurrent(sentence) {
    this.#clearTimer();
    this.editor.setStatus(sentence);
    const mask = this.editor.getMask();
    if (mask.includes(1)) this.#store(await deflate(packMask(mask)));
  }

  get #storageKey() {
    return `gin-painter:${this.photo.digest}:`;
  }

  #store(bits) {
    let text = "";
    for (const byte of bits) text += String.fromCharCode(byte);
    try {
      sessionStorage.setItem(this.#storageKey + this.id, btoa(text));
    } catch {
      // Storage is full or forbidden; the page still shows the mask.
    }
  }

  /** Take the oldest mask that was kept for this photograph and starts with `owner`. */
  #takeStored(owner = "") {
    try {
      const names = Object.keys(sessionStorage).sort();
      const name = names.find((item) => item.startsWith(this.#storageKey + owner));
      const text = sessionStorage.getItem(name);
      sessionStorage.removeItem(name);
      return text;
    } catch {
      return null; // storage is forbidden
    }
  }

  /** What was painted on this photograph before Python or the page ended. */
  async #restore() {
    let text = this.#takeStored(this.nth);
    if (!text) {
      await new Promise((resolve) => setTimeout(resolve, RESTORE_DELAY));
      if (!this.editor.getMask().includes(1)) text = this.#takeStored();
    }
    if (!text) return;
    const mask = await this.#unpack(Uint8Array.from(atob(text), (item) => item.charCodeAt(0)));
    this.editor.setMask(mask);
    this.notice = "The mask that was painted before is back.";
    this.editor.setStatus(this.notice);
    this.#changed(mask);
  }
}

async function render({ model, el }) {
  const link = new Link(model, el);
  await link.start();
  return () => link.stop();
}

export default { render };
