/* The tools: what a press, a drag and a release do to the mask, by pointer or keyboard.
   Points are in px of the photograph. */

/** The tool in use, and what of its action is not finished yet. */
export class Tools {
  constructor(editor) {
    this.editor = editor;
    this.name = "brush";
    this.size = 4; // px: the brush's diameter
    this.forget();
  }

  forget() {
    this.press = null; // { start, last, value, freehand } while the tool is down
    this.path = null; // corners of a lasso or polygon
    this.pen = false; // the keyboard holds the tool down
  }

  start(point, erase) {
    const value = erase || this.name === "eraser" ? 0 : 1;
    this.press = { start: point, last: point, value, freehand: false };
    if (this.name === "lasso") this.#corner(point);
    else if (this.name !== "rectangle") this.drag(point);
  }

  drag(point) {
    const { press, editor } = this;
    if (this.name === "lasso") this.#freehand(point);
    else if (this.name !== "rectangle") {
      editor.redrawMask(editor.mask.stroke(press.last, point, this.size, press.value));
    }
    press.last = point;
  }

  release(point) {
    const { press, editor } = this;
    this.press = null;
    if (!press) return;
    if (this.name === "rectangle") editor.mask.rectangle(press.start, point, press.value);
    if (this.name === "lasso") {
      if (press.freehand && this.presses === 1) this.close();
    } else editor.finish();
    editor.drawOutline();
  }

  /** Give up what is not finished; whether there was anything. */
  cancel() {
    const unfinished = Boolean(this.press || this.path || this.pen);
    this.forget();
    const area = this.editor.mask?.abandon();
    if (area) this.editor.redrawMask(area);
    this.editor.drawOutline();
    return unfinished;
  }

  /** Close the lasso or polygon, if there is one. */
  close() {
    const { path, editor } = this;
    if (!path) return;
    this.path = this.press = null;
    if (path.length > 2) editor.mask.polygon(path, this.value);
    editor.setStatus(path.length > 2 ? "" : "A shape needs three corners.");
    editor.finish();
    editor.drawOutline();
  }

  #corner(point) {
    this.value = this.press.value;
    if (this.path?.length > 2 && this.#near(point, this.path[0])) {
      this.press = null;
      this.close();
      return;
    }
    this.presses = this.path ? this.presses + 1 : 1;
    this.path = [...(this.path ?? []), point];
    this.editor.setStatus(
      "Set corners; double-click, Enter or the first corner closes the shape.",
    );
  }

  #freehand(point) {
    const { press } = this;
    press.freehand ||= !this.#near(point, press.start, 4);
    if (press.freehand && !this.#near(point, this.path.at(-1), 1)) this.path.push(point);
  }

  /** Whether two points are at most `distance` CSS px apart. */
  #near(a, b, distance = 10) {
    return Math.hypot(a[0] - b[0], a[1] - b[1]) * this.editor.view.scale <= distance;
  }
}
