// A picture of the reader's own: drawn by hand, chosen, or dropped in. It is encoded at each stroke.
import { create, createButton, createChoice } from "./elements.js";
import { createImage, fillWhite, imageOn, paint, paintFile } from "./pixels.js";

const COLORS = {
  black: "#222222", yellow: "#fcc21b", red: "#e53935", blue: "#1e88e5", green: "#43a047",
  white: "#ffffff",
};
const BRUSHES = { thin: 1 / 32, medium: 1 / 14, thick: 1 / 5 }; // of the longer side

// decoded: the canvas with the decoded picture. Returns {element, show, take}.
export function createOwnPicture({ facts, network, state, moveTo, refresh, say }, decoded) {
  const shape = facts.image_shape;
  const pad = createImage("vae-nb-own vae-nb-pad", shape, "Your picture");
  const reconstruction = createImage("vae-nb-own", shape, "Its reconstruction");
  const context = pad.getContext("2d", { willReadFrequently: true });
  let color = Object.values(COLORS)[0];
  let brush = Object.values(BRUSHES)[0];

  // --- from the picture to its code ---

  function encode() {
    const image = imageOn(pad, shape);
    paint(pad, image, shape); // gray, if the model knows no colors
    const { mean, logVariance } = network.encode(image);
    state.posterior = { mean: Array.from(mean), variances: Array.from(logVariance, Math.exp) };
    goToCode();
  }

  const goToCode = () => moveTo(state.posterior.mean, { message: "At the code of your picture." });

  // Encode at most once for each frame of the screen.
  let frame = null;
  function encodeSoon() {
    frame ??= requestAnimationFrame(() => {
      frame = null;
      encode();
    });
  }

  async function take(file) {
    if (!file) return;
    try {
      await paintFile(pad, file);
    } catch {
      say(`${file.name} is not a picture that this browser can read.`);
      return;
    }
    encode();
  }

  // --- drawing ---

  // Where an event is, in pixels of the picture.
  function placeOf(event) {
    const box = pad.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * pad.width,
      ((event.clientY - box.top) / box.height) * pad.height,
    ];
  }

  function strokeTo(place) {
    context.strokeStyle = color;
    context.lineWidth = Math.max(1, brush * Math.max(pad.width, pad.height));
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(place[0] + 0.01, place[1]); // a line of no length is not drawn
    context.stroke();
    last = place;
    encodeSoon();
  }

  let last = null; // place of the pointer that draws
  let drawing = null; // its number
  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || drawing !== null) return;
    event.preventDefault(); // no selection of text
    pad.setPointerCapture(event.pointerId);
    drawing = event.pointerId;
    last = placeOf(event);
    strokeTo(last);
  });
  pad.addEventListener("pointermove", (event) => {
    if (event.pointerId === drawing) strokeTo(placeOf(event));
  });
  for (const type of ["pointerup", "pointercancel"]) {
    pad.addEventListener(type, (event) => {
      if (event.pointerId === drawing) drawing = null;
    });
  }

  // Another picture to draw on; it has no code before the first stroke.
  function start(prepare) {
    prepare();
    state.posterior = null;
    refresh();
  }

  // --- what is seen ---

  const swatches = Object.entries(COLORS).map(([name, value]) => {
    const swatch = create("span", "vae-nb-swatch");
    swatch.style.background = value;
    swatch.setAttribute("role", "img");
    swatch.setAttribute("aria-label", name);
    swatch.title = name;
    return swatch;
  });
  const colors = createChoice({
    title: "Color",
    options: swatches,
    choose: (index) => { color = Object.values(COLORS)[index]; },
  });
  const brushes = createChoice({
    title: "Brush",
    options: Object.keys(BRUSHES),
    choose: (index) => { brush = Object.values(BRUSHES)[index]; },
  });
  const file = document.createElement("input");
  file.type = "file";
  file.accept = "image/*";
  file.setAttribute("aria-label", "A picture of your own");
  file.addEventListener("change", () => take(file.files[0]));
  const back = createButton("Go to its code", goToCode);
  const note = create(
    "p", "vae-nb-quiet",
    "The ellipse on the map is its posterior, two standard deviations wide.");
  const result = create(
    "figure", "vae-nb-result", reconstruction, create("figcaption", "", "Its reconstruction"));
  fillWhite(pad);
  return {
    element: create(
      "div", "vae-nb-own-picture",
      create("figure", "", pad, create("figcaption", "", "Draw here")),
      result,
      create(
        "div", "vae-nb-tools", colors, brushes,
        createButton("Clear", () => start(() => fillWhite(pad))),
        back,
        createButton("Draw on the decoded picture", () =>
          start(() => context.drawImage(decoded, 0, 0)))),
      create(
        "div", "", create("p", "", "Or choose a picture, or drop one anywhere here:"), file,
        create("p", "vae-nb-quiet", "It does not leave this page."), note)),
    show({ z, posterior }) {
      back.disabled = !posterior || z === posterior.mean;
      note.hidden = result.hidden = !posterior;
      if (z === posterior?.mean) reconstruction.getContext("2d").drawImage(decoded, 0, 0);
    },
    take,
  };
}
