// The latent explorer: one latent vector, its decoded picture, and all that moves it.
//
// `model` is anywidget's, in a notebook, or that of page.js, in a page of its own. It gives
// "facts", "numbers", "codes", "thumbnails" and "seed" (see explorer_state.py); "vector" is the
// latent vector, which both sides may change.
import { createNetwork, readNumbers } from "./network.js";
import {
  changeInWords, coordinatesOf, fittedDraw, nearestCode, normalDraws, normInWords, twoDigits,
  vectorAt,
} from "./latent.js";
import { createMap, planeInWords, planeName } from "./map.js";
import { readPicture } from "./own_picture.js";
import { createPicker } from "./picker.js";
import { loadThumbnails } from "./thumbnails.js";

const SLIDER_STEP = 1 / 16;
const BLEND_STEP = 1 / 20;
const SAVED_SIZE = 512; // pixels of the longer side of a saved picture, at least

// An element of a class, with children or texts in it.
function create(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function createButton(text, onClick, label) {
  const button = create("button", "", text);
  button.type = "button";
  if (label) button.setAttribute("aria-label", label);
  button.addEventListener("click", onClick);
  return button;
}

// A native slider with a name and a readout. Returns {element, show}.
function createSlider({ name, min, max, step, move }) {
  const input = document.createElement("input");
  const readout = create("span", "vae-nb-value");
  input.type = "range";
  Object.assign(input, { min, max, step });
  input.setAttribute("aria-label", name);
  readout.setAttribute("aria-hidden", "true"); // the slider itself tells it to a screen reader
  input.addEventListener("input", () => move(input.valueAsNumber));
  return {
    element: create("label", "vae-nb-slider", create("span", "", name), input, readout),
    show(value) {
      input.value = value;
      input.setAttribute("aria-valuetext", twoDigits(value));
      readout.textContent = twoDigits(value);
    },
  };
}

// A group of radio buttons in one line. Returns the element.
function createChoice({ title, options, choose }) {
  const group = `vae-nb-${Math.random()}`; // groups of the same name would be one
  const labels = options.map((option, index) => {
    const radio = document.createElement("input");
    radio.type = "radio";
    radio.name = group;
    radio.checked = index === 0;
    radio.addEventListener("change", () => choose(index));
    return create("label", "", radio, option);
  });
  return create("fieldset", "vae-nb-choice", create("legend", "", title), ...labels);
}

// Panels of which one is shown, with a tab for each. panels: {title: element}.
function createTabs(panels) {
  const number = `vae-nb-${Math.random().toString(36).slice(2)}`;
  const list = create("div", "vae-nb-tabs");
  const titles = Object.keys(panels);
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Ways to move");
  const tabs = titles.map((title, index) => {
    const tab = createButton(title, () => select(index));
    tab.id = `${number}-tab-${index}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", `${number}-panel-${index}`);
    const panel = panels[title];
    panel.id = `${number}-panel-${index}`;
    panel.classList.add("vae-nb-panel");
    panel.tabIndex = 0; // it may scroll
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    return tab;
  });
  function select(chosen) {
    tabs.forEach((tab, index) => {
      tab.setAttribute("aria-selected", String(index === chosen));
      tab.tabIndex = index === chosen ? 0 : -1;
      panels[titles[index]].hidden = index !== chosen;
    });
  }
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
    select(next);
    tabs[next].focus();
  });
  list.append(...tabs);
  select(0);
  return list;
}

async function render({ model, el }) {
  const facts = model.get("facts");
  const network = createNetwork(
    facts.layers, readNumbers(bytesOf(model.get("numbers")), facts.number_format));
  const codes = readNumbers(bytesOf(model.get("codes")), "float64"); // (pictures, latent)
  const thumbnails = await loadThumbnails(bytesOf(model.get("thumbnails")), facts);
  const normal = normalDraws(model.get("seed"));
  const [height, width, channels] = facts.image_shape;
  const latent = facts.axes[0].names.length;
  const codeOf = (index) => Array.from(codes.subarray(index * latent, (index + 1) * latent));

  // All that is shown follows from these.
  const state = {
    z: model.get("vector"),
    axes: facts.axes[0], // of the sliders
    plane: facts.axes[0].plane_share > facts.axes[1].plane_share ? facts.axes[0] : facts.axes[1],
    first: 0, // the pictures between which the blend goes
    second: facts.names.length - 1,
    weight: 0, // of the second one
    posterior: null, // of the reader's own picture: {mean, variances}
  };

  // --- what moves z ---

  // Move z, and say so for those who do not see the picture. Only the blend has a weight.
  function moveTo(z, message = "", weight = 0) {
    Object.assign(state, { z, weight });
    status.textContent = message;
    model.set("vector", z);
    model.save_changes();
    refresh();
  }

  function moveAlong(axes, change) {
    const coordinates = coordinatesOf(state.z, axes);
    change(coordinates);
    moveTo(vectorAt(coordinates, axes));
  }

  function blend() {
    const [from, to] = [codeOf(state.first), codeOf(state.second)];
    const { weight } = state;
    moveTo(from.map((value, k) => (1 - weight) * value + weight * to[k]), "", weight);
  }

  function startFrom(index) {
    state.first = index;
    moveTo(codeOf(index), `At ${facts.names[index]}.`);
  }

  function draw(z) {
    const { index } = nearestCode(z, codes);
    moveTo(z, `Drawn. The nearest training picture is ${facts.names[index]}.`);
  }

  // --- the picture ---

  const canvas = create("canvas", "vae-nb-picture");
  canvas.setAttribute("role", "img");
  Object.assign(canvas, { width, height });
  const nearestView = thumbnails.view("vae-nb-tile");
  const nearestName = create("strong", "");
  const distance = create("span", "");
  const norm = create("p", "vae-nb-quiet");
  const nearestText = create("p", "", "Nearest: ", nearestName, distance);
  const readout = create(
    "div", "vae-nb-readout",
    create("div", "vae-nb-nearest", nearestView.canvas, nearestText), norm);
  const rgba = new ImageData(width, height);
  rgba.data.fill(255);

  // Draw an image, (height * width * channels) in [0, 1], on a canvas of its size.
  function paint(canvas, pixels) {
    for (let i = 0; i < width * height; i++) {
      for (let k = 0; k < 3; k++) { // gray in all three
        rgba.data[4 * i + k] = 255 * pixels[i * channels + (channels === 3 ? k : 0)];
      }
    }
    canvas.getContext("2d").putImageData(rgba, 0, 0);
  }

  function save() {
    const scale = Math.ceil(SAVED_SIZE / Math.max(width, height));
    const large = create("canvas", "");
    Object.assign(large, { width: scale * width, height: scale * height });
    const context = large.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(canvas, 0, 0, large.width, large.height);
    const link = document.createElement("a");
    link.download = "decoded.png";
    link.href = large.toDataURL("image/png");
    link.click();
    status.textContent = "Saved as decoded.png, where your browser puts downloads.";
  }

  // --- the map ---

  const map = createMap({
    facts,
    codes,
    thumbnails,
    moveTo: (place) => moveAlong(state.plane, (coordinates) => {
      coordinates.splice(0, Math.min(2, latent), ...place.slice(0, latent));
    }),
    goTo: (index) => moveTo(codeOf(index), `At ${facts.names[index]}.`),
  });
  const planeChoice = document.createElement("select");
  planeChoice.setAttribute("aria-label", "Plane of the map");
  planeChoice.append(...facts.axes.map((axes) => new Option(`Map of ${planeName(axes)}`)));
  planeChoice.selectedIndex = facts.axes.indexOf(state.plane);
  planeChoice.addEventListener("change", () => {
    state.plane = facts.axes[planeChoice.selectedIndex];
    refresh();
  });
  const mapNote = create("p", "vae-nb-note vae-nb-quiet");
  const mapHead = create(
    "div", "vae-nb-map-head", planeChoice,
    createButton("−", map.zoomOut, "Zoom out"),
    createButton("+", map.zoomIn, "Zoom in"),
    createButton("All", map.showAll, "Show the whole map"));

  // --- the sliders ---

  let sliders = [];
  const sliderBox = create("div", "vae-nb-sliders");
  const axesChoice = createChoice({
    title: "Sliders along the",
    options: facts.axes.map((axes) => axes.kind),
    choose(index) {
      state.axes = facts.axes[index];
      buildSliders();
      refresh();
    },
  });

  function buildSliders() {
    const { axes } = state;
    sliders = axes.names.map((name, index) => createSlider({
      name,
      min: -axes.reach[index],
      max: axes.reach[index],
      step: SLIDER_STEP,
      move: (value) => moveAlong(axes, (coordinates) => { coordinates[index] = value; }),
    }));
    const rows = sliders.map((slider) => slider.element);
    sliderBox.replaceChildren(...rows.slice(0, axes.informative));
    if (axes.informative === rows.length) return;
    const folded = create("details", "");
    const silent = `Carrying nothing: ${rows.length - axes.informative} of the ${axes.kind}`;
    folded.append(create("summary", "", silent), ...rows.slice(axes.informative));
    sliderBox.append(folded);
  }

  // --- blend, draws, and the buttons below ---

  const pick = (title, choose) =>
    createPicker({ title, names: facts.names, thumbnails, choose });
  const first = pick("From", startFrom);
  const second = pick("To", (index) => {
    state.second = index;
    if (state.weight) blend(); // at 0, another second picture changes nothing
    else refresh();
  });
  const blendSlider = createSlider({
    name: "Blend",
    min: 0,
    max: 1,
    step: BLEND_STEP,
    move(value) {
      state.weight = value;
      blend();
    },
  });
  // --- the reader's own picture ---

  const [own, ownReconstruction] = ["Your picture", "Its reconstruction"].map((name) => {
    const view = create("canvas", "vae-nb-own");
    view.setAttribute("role", "img");
    view.setAttribute("aria-label", name);
    return Object.assign(view, { width, height });
  });
  const ownFigures = create(
    "div", "vae-nb-pair",
    create("figure", "", own, create("figcaption", "", "Your picture")),
    create("figure", "", ownReconstruction, create("figcaption", "", "Its reconstruction")));
  const ownNote = create(
    "p", "vae-nb-quiet",
    "The ellipse on the map is its posterior, two standard deviations wide.");
  const backToOwn = createButton("Go to its code", () => goToOwn());
  const ownResult = create("div", "", ownFigures, ownNote, backToOwn);
  ownResult.hidden = true;
  const file = document.createElement("input");
  file.type = "file";
  file.accept = "image/*";
  file.setAttribute("aria-label", "A picture of your own");
  file.addEventListener("change", () => take(file.files[0]));

  const goToOwn = () => moveTo([...state.posterior.mean], "At the code of your picture.");

  async function take(chosen) {
    if (!chosen) return;
    let pixels = null;
    try {
      pixels = await readPicture(chosen, facts.image_shape);
    } catch {
      status.textContent = `${chosen.name} is not a picture that this browser can read.`;
      return;
    }
    const { mean, logVariance } = network.encode(pixels);
    state.posterior = { mean: Array.from(mean), variances: Array.from(logVariance, Math.exp) };
    paint(own, pixels);
    paint(ownReconstruction, network.decode(mean));
    ownResult.hidden = false;
    goToOwn();
  }

  el.addEventListener("dragover", (event) => event.preventDefault()); // it may be dropped here
  el.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    take(event.dataTransfer.files[0]);
  });

  const code = document.createElement("input");
  code.readOnly = true;
  code.setAttribute("aria-label", "The latent vector as code");
  code.addEventListener("focus", () => code.select());
  const status = create("p", "vae-nb-news vae-nb-quiet");
  status.setAttribute("role", "status");
  const tabs = {
    Sliders: create("div", "", axesChoice, sliderBox),
    Blend: create("div", "", first.element, blendSlider.element, second.element),
    Draw: create(
      "div", "",
      createButton("Draw from the prior", () => draw(normal(latent))),
      create("p", "vae-nb-quiet", "Any vector, as the loss wishes them: N(0, I)."),
      createButton("Draw from the fitted density", () =>
        draw(fittedDraw(normal(latent), facts.fitted))),
      create("p", "vae-nb-quiet", "One Gaussian, fitted to the codes that the encoder really uses."),
      create("label", "vae-nb-code", "z, to copy", code)),
    "Your own": create(
      "div", "", file,
      create("p", "vae-nb-quiet", "Or drop a picture anywhere here. It does not leave this page."),
      ownResult),
  };
  const controls = create(
    "div", "vae-nb-controls", createTabs(tabs), ...Object.values(tabs),
    create(
      "div", "vae-nb-actions",
      createButton("Reset", () => startFrom(state.first)),
      createButton("Save picture", save), status));

  // --- showing ---

  // Show the state, at most once for each frame of the screen.
  let frame = null;
  function refresh() {
    frame ??= requestAnimationFrame(() => {
      frame = null;
      show();
    });
  }

  function show() {
    const { z, axes } = state;
    const nearest = nearestCode(z, codes);
    const name = facts.names[nearest.index];
    paint(canvas, network.decode(z));
    const changes = changeInWords(z, codeOf(state.first), facts.names[state.first], axes);
    canvas.setAttribute(
      "aria-label", `Decoded picture; the nearest training picture is ${name}. ${changes}`);
    nearestView.show(nearest.index);
    nearestName.textContent = name;
    distance.textContent = distanceInWords(nearest.distance, facts.neighbor_distance);
    norm.textContent = normInWords(z, facts);
    coordinatesOf(z, axes).forEach((value, index) => sliders[index].show(value));
    blendSlider.show(state.weight);
    first.show(state.first);
    second.show(state.second);
    map.show(state.plane, z, nearest.index, state.posterior);
    mapNote.textContent = planeInWords(state.plane);
    code.value = `z = np.array([${z.map((value) => Number(value.toFixed(4))).join(", ")}])`;
  }

  // The kernel has moved z.
  function follow() {
    if (model.get("vector") === state.z) return;
    Object.assign(state, { z: model.get("vector"), weight: 0 });
    status.textContent = "";
    refresh();
  }

  buildSliders();
  el.classList.add("vae-nb-explorer");
  // Keys are for what has the focus, and not for JupyterLab's cells.
  el.addEventListener("focusin", ({ target }) => { target.dataset.lmSuppressShortcuts = "true"; });
  el.append(create(
    "div", "vae-nb-layout",
    create("div", "vae-nb-screen", canvas, readout),
    create("div", "vae-nb-map-area", mapHead, map.element, mapNote),
    controls));
  model.on("change:vector", follow);
  show();
  return () => {
    model.off("change:vector", follow);
    map.remove();
  };
}

const distanceInWords = (distance, usual) => {
  const neighbors = usual === null ? "" : ` (neighboring codes: ${usual.toFixed(1)} apart)`;
  return `, ${distance.toFixed(1)} away${neighbors}`;
};

// A notebook gives bytes as a DataView, a page as a Uint8Array.
const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

export default { render };
