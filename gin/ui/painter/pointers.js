/* Mouse, pen and fingers on the stage: painting, moving the view, zooming. */

export class Pointers {
  constructor(editor, signal) {
    this.editor = editor;
    this.places = new Map(); // of what is pressed: CSS px on the stage
    this.panning = false;
    const on = (name, handle, more = {}) =>
      editor.stage.addEventListener(name, handle, { signal, ...more });
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#lost(event));
    on("pointerleave", () => this.#hover(null));
    on("dblclick", () => editor.tools.close());
    on("contextmenu", (event) => event.preventDefault());
    on("wheel", (event) => this.#wheel(event), { passive: false });
  }

  /** Where an event is on the stage, in the stage's own px: the page may show it larger or
      smaller, by `transform: scale` or `zoom`. */
  #at(event) {
    const { stage } = this.editor;
    const box = stage.getBoundingClientRect();
    const across = stage.offsetWidth / box.width;
    const down = stage.offsetHeight / box.height;
    return [
      (event.clientX - box.left) * across - stage.clientLeft,
      (event.clientY - box.top) * down - stage.clientTop,
    ];
  }

  #point(event) {
    return this.editor.view.toImage(this.#at(event));
  }

  #hover(point) {
    this.editor.hovered = point;
    this.editor.drawOutline();
  }

  #down(event) {
    const { editor } = this;
    if (!editor.mask) return;
    const { stage, keyboard, tools } = editor;
    stage.focus({ preventScroll: true });
    keyboard.typing = false;
    stage.setPointerCapture(event.pointerId);
    this.places.set(event.pointerId, this.#at(event));
    if (this.places.size > 1) {
      tools.cancel(); // two fingers zoom
    } else if (event.button === 1 || (event.button === 0 && tools.name === "hand")) {
      this.panning = true;
      event.preventDefault(); // no scrolling by the middle button
    } else if (event.button === 0 || event.button === 5) {
      keyboard.lift();
      tools.start(this.#point(event), event.altKey || event.button === 5);
      this.#hover(this.#point(event));
    }
  }

  #move(event) {
    const { editor } = this;
    if (!editor.mask) return;
    const at = this.#at(event);
    const pressed = this.places.has(event.pointerId);
    if (this.places.size > 1) this.#pinch(event.pointerId, at);
    else if (this.panning && pressed) this.#pan(this.places.get(event.pointerId), at);
    else if (editor.tools.press && pressed) {
      const each = event.getCoalescedEvents?.() ?? [];
      for (const step of each.length ? each : [event]) editor.tools.drag(this.#point(step));
    }
    if (pressed) this.places.set(event.pointerId, at);
    const shown = event.pointerType !== "touch" || editor.tools.press;
    this.#hover(shown ? editor.view.toImage(at) : null);
  }

  #up(event) {
    if (!this.places.delete(event.pointerId)) return;
    this.panning = false;
    const { tools } = this.editor;
    const point = this.#point(event);
    if (tools.press && !tools.pen) {
      if (tools.name !== "rectangle") tools.drag(point);
      tools.release(point);
    }
    if (event.pointerType === "touch") this.#hover(null);
  }

  #lost(event) {
    this.places.delete(event.pointerId);
    this.panning = false;
    const { tools } = this.editor;
    if (tools.press && !tools.pen) tools.release(tools.press.last);
  }

  #pan(from, to) {
    this.editor.view.pan(to[0] - from[0], to[1] - from[1]);
    this.editor.redraw();
  }

  #pinch(id, at) {
    if (!this.places.has(id)) return;
    const before = [...this.places.values()].slice(0, 2);
    this.places.set(id, at);
    const after = [...this.places.values()].slice(0, 2);
    const spread = ([a, b]) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    this.editor.view.zoom(spread(after) / spread(before), ...middle(before));
    this.#pan(middle(before), middle(after));
  }

  #wheel(event) {
    const { editor } = this;
    if (!editor.mask || !(event.ctrlKey || event.metaKey)) return; // the page scrolls
    event.preventDefault();
    const factor = Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002));
    editor.view.zoom(factor, ...this.#at(event));
    editor.redraw();
  }
}
