// A blend of the codes of four training pictures, which are at the corners of a square.
import { create, createPoint } from "./elements.js";
import { createPicker } from "./picker.js";
import { createTiles } from "./tiles.js";

const CORNERS = ["Top left", "Top right", "Bottom left", "Bottom right"];
const BLEND_STEP = 1 / 20;

// The weights of the corners at a place of the square: [to the right, down], each in [0, 1].
const weightsAt = ([x, y]) => [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y];

// Returns {element, show, remove}.
export function createBlend(explorer) {
  const { facts, network, thumbnails, codeOf, state, moveTo, startFrom, refresh } = explorer;

  function vectorAtPlace(place) {
    const weights = weightsAt(place);
    const codes = state.corners.map(codeOf);
    return codes[0].map((_, k) =>
      codes.reduce((sum, code, corner) => sum + weights[corner] * code[k], 0));
  }

  function blendAt(place) {
    state.blend = place.map((value) => Math.min(1, Math.max(0, value)));
    moveTo(vectorAtPlace(state.blend), { by: "blend" });
  }

  // The first corner is the start: another one takes z along.
  function choose(corner, index) {
    if (corner === 0) {
      startFrom(index);
      return;
    }
    state.corners[corner] = index;
    if (state.by === "blend") blendAt(state.blend);
    else refresh();
  }

  const pickers = CORNERS.map((title, corner) => createPicker({
    title,
    names: facts.names,
    thumbnails,
    choose: (index) => choose(corner, index),
  }));
  const tiles = createTiles(network.decode, facts.image_shape);
  const point = createPoint({
    kind: "point in a square",
    move: ([right, up]) =>
      blendAt([state.blend[0] + BLEND_STEP * right, state.blend[1] - BLEND_STEP * up]),
  });
  const square = create("div", "vae-nb-square", tiles.canvas, point);
  const readout = create("p", "vae-nb-quiet");
  point.setAttribute("aria-label", "Blend");
  point.setAttribute("aria-valuemin", 0);
  point.setAttribute("aria-valuemax", 1);

  function followPointer(event) {
    const box = square.getBoundingClientRect();
    blendAt([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
  }

  square.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault(); // no selection of text
    square.setPointerCapture(event.pointerId);
    point.focus({ preventScroll: true });
    followPointer(event);
  });
  square.addEventListener("pointermove", (event) => {
    if (square.hasPointerCapture(event.pointerId)) followPointer(event);
  });

  return {
    element: create(
      "div", "vae-nb-blend", ...pickers.map((picker) => picker.element), square, readout),
    show({ by, blend: [x, y], corners }) {
      pickers.forEach((picker, corner) =>
        picker.show([corners[corner]], facts.names[corners[corner]]));
      const parts = weightsAt([x, y])
        .map((weight, corner) => `${Math.round(100 * weight)}% ${facts.names[corners[corner]]}`)
        .filter((part) => !part.startsWith("0%"));
      const text = by === "blend" ? parts.join(", ") : "Drag the point to blend the four codes.";
      readout.textContent = text;
      point.classList.toggle("vae-nb-outside", by !== "blend");
      point.style.left = `${100 * x}%`;
      point.style.top = `${100 * y}%`;
      point.setAttribute("aria-valuenow", x);
      point.setAttribute("aria-valuetext", text);
      const size = () => [square.clientWidth, square.clientHeight];
      tiles.show(corners.join(), "", (at) =>
        vectorAtPlace(at.map((value, axis) => value / size()[axis])), [0, 0]);
    },
    remove: tiles.remove,
  };
}
