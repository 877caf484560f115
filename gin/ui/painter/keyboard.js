/* The keyboard: shortcuts, and a cursor that is moved by the arrow keys. */

import { ARROWS, KEYS } from "./controls.js";

/** The centre of a pixel. */
export const center = ([x, y]) => [x + 0.5, y + 0.5];

export class Keyboard {
  constructor(editor, signal) {
    this.editor = editor;
    this.cursor = [0, 0]; // a pixel of the photograph
    this.typing = false; // until a pointer presses
    const { stage } = editor;
    stage.addEventListener("blur", () => this.#blurred(), { signal });
    stage.addEventListener("focus", () => this.#focused(), { signal });
    // Before JupyterLab, which takes A, B, X, arrows, ... for its cells.
    const options = { signal, capture: true };
    addEventListener("keydown", (event) => this.#key(event), options);
  }

  /** Whether the cursor is to be seen. */
  get shown() {
    const { stage, hovered } = this.editor;
    return this.typing && stage.matches(":focus") && !hovered;
  }

  /** Lift the tool if the keyboard holds it down. */
  lift() {
    const { tools } = this.editor;
    if (!tools.pen) return;
    tools.pen = false;
    tools.release(center(this.cursor));
    this.editor.setStatus("Stroke ended.");
  }

  #blurred() {
    this.lift();
    this.editor.drawOutline();
  }

  #focused() {
    this.typing = true;
    this.editor.drawOutline();
  }

  #key(event) {
    const { editor } = this;
    if (!editor.mask || !editor.root.contains(event.target)) return;
    const key = event.key.toLowerCase();
    const command = event.ctrlKey || event.metaKey;
    let handled = true;
    if (command && key === "z") editor.act(event.shiftKey ? "redo" : "undo");
    else if (command && key === "y") editor.act("redo");
    else if (event.target !== editor.stage || command) handled = false;
    else if (ARROWS[key]) this.#move(ARROWS[key], event.shiftKey);
    else if (key === " " || key === "enter") this.#putDown(key === "enter", event.altKey);
    else if (key === "escape") handled = editor.tools.cancel();
    else if (KEYS[key]) editor.act(KEYS[key]);
    else handled = false;
    if (handled) event.preventDefault();
    if (handled || !command) event.stopPropagation();
  }

  #move([dx, dy], fine) {
    const { editor } = this;
    const { width, height, tools, view } = editor;
    const step = fine ? 1 : Math.max(1, Math.round(Math.max(width, height) / 64));
    const hold = (value, side) => Math.min(side - 1, Math.max(0, value));
    const [x, y] = this.cursor;
    this.typing = true;
    this.cursor = [hold(x + dx * step, width), hold(y + dy * step, height)];
    editor.hovered = null;
    if (tools.pen) tools.drag(center(this.cursor));
    if (view.reveal(this.cursor)) editor.redraw();
    editor.drawOutline();
    editor.setStatus(`${this.cursor[0]}, ${this.cursor[1]}${tools.pen ? ", painting" : ""}`);
  }

  #putDown(enter, erase) {
    const { editor } = this;
    const { tools } = editor;
    const point = center(this.cursor);
    this.typing = true;
    editor.hovered = null;
    if (tools.name === "hand") return;
    if (tools.name === "lasso") {
      if (enter) tools.close();
      else {
        tools.start(point, erase);
        tools.press = null;
      }
    } else if (tools.pen) this.lift();
    else {
      tools.pen = true;
      tools.start(point, erase);
      editor.setStatus("Drawing: move with the arrow keys; Space ends the stroke.");
    }
    editor.drawOutline();
  }
}
