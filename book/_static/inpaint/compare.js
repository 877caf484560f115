/* Two canvases on top of each other, and a slider between before and after. */

/** An element that shows `after`, and of `before` as much as the slider says. */
export function compare(before, after) {
  const element = document.createElement("div");
  element.className = "gin-inpaint-compare";
  const pictures = document.createElement("div");
  before.setAttribute("role", "img");
  before.setAttribute("aria-label", "The photograph as it was");
  after.setAttribute("role", "img");
  after.setAttribute("aria-label", "The completed photograph");
  pictures.append(after, before);
  const label = document.createElement("label");
  const slider = Object.assign(document.createElement("input"), { type: "range", value: 0 });
  label.append("Before: how much of it, from the left", slider);
  const show = () => {
    before.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
  };
  slider.addEventListener("input", show);
  show();
  element.append(pictures, label);
  return element;
}
