// The latent explorer: one latent vector, its decoded picture, and all that moves it.
//
// `model` is anywidget's, in a notebook, or that of page.js, in a page of its own. It gives
// "facts", "numbers", "codes", "thumbnails" and "seed" (see explorer_state.py); "vector" is the
// latent vector, which both sides may change. `address` is that of page.js; a notebook has none.
import { createNetwork, readNumbers } from "./network.js";
import { changeInWords, coordinatesOf, nearestCode, normInWords, vectorAt } from "./latent.js";
import { create, createButton, createTabs } from "./elements.js";
import { createImage, paint } from "./pixels.js";
import { loadThumbnails } from "./thumbnails.js";
import { createMap, planeInWords, planeName } from "./map.js";
import { createSliders } from "./sliders.js";
import { createBlend } from "./blend.js";
import { createAttribute } from "./attribute.js";
import { createPath } from "./path.js";
import { stateIn, textOf } from "./address.js";
import { createRandom } from "./random.js";
import { createOwnPicture } from "./own_picture.js";

const SAVED_SIZE = 512; // pixels of the longer side of a saved picture, at least

async function render({ model, el, address }) {
  const facts = model.get("facts");
  const network = createNetwork(
    facts.layers, readNumbers(bytesOf(model.get("numbers")), facts.number_format));
  const codes = readNumbers(bytesOf(model.get("codes")), "float64"); // (pictures, latent)
  const thumbnails = await loadThumbnails(bytesOf(model.get("thumbnails")), facts);
  const latent = facts.axes[0].names.length;
  const count = facts.names.length;
  const codeOf = (index) => Array.from(codes.subarray(index * latent, (index + 1) * latent));

  // All that is shown follows from these.
  const state = {
    z: model.get("vector"),
    tab: "Sliders",
    by: null, // what moved z, if it is a tool that shows how far it is: "blend" or "path"
    axes: facts.axes[0], // of the sliders
    // The one that shows more; of two dimensions both show everything, but for rounding.
    plane: facts.axes[facts.axes[0].plane_share >= facts.axes[1].plane_share - 1e-9 ? 0 : 1],
    corners: [0, count - 1, Math.floor(count / 3), Math.floor((2 * count) / 3)], // of the blend
    blend: [0, 0], // where between them z is, to the right and down
    examples: [], // the pictures that have an attribute
    stops: [], // the vectors on the path
    way: 0, // the share of the path that z has gone
    posterior: null, // of the reader's own picture: {mean, variances}
  };

  // --- what moves z ---

  // Move z, and say so for those who do not see the picture.
  function moveTo(z, { message = "", by = null } = {}) {
    put(z, by);
    say(message);
    model.set("vector", z);
    model.save_changes();
  }

  function put(z, by) {
    Object.assign(state, { z, by });
    if (by !== "blend") state.blend = [0, 0];
    if (by !== "path") state.way = 0;
    refresh();
  }

  function moveAlong(axes, change) {
    const coordinates = coordinatesOf(state.z, axes);
    change(coordinates);
    moveTo(vectorAt(coordinates, axes));
  }

  const goTo = (index) => moveTo(codeOf(index), { message: `At ${facts.names[index]}.` });

  // The first corner of the blend is the start, to which Reset goes back.
  function startFrom(index) {
    state.corners[0] = index;
    goTo(index);
  }

  // The kernel has moved z.
  function follow() {
    if (model.get("vector") === state.z) return;
    put(model.get("vector"), null);
    say("");
  }

  // A link asks for a state.
  function followAddress() {
    const text = address.read();
    if (!text) return;
    const asked = stateIn(text, facts, Object.keys(tools));
    if (!asked) {
      say("The address ends in something that this page cannot read. It is ignored.");
      return;
    }
    moveTo(asked.z, asked);
    Object.assign(state, asked);
    tabs.select(asked.tab);
  }

  // --- the picture, and what is said of it ---

  const picture = createImage("vae-nb-picture", facts.image_shape, "Decoded picture");
  const nearestView = thumbnails.view("vae-nb-tile");
  const nearestName = create("strong", "");
  const distance = create("span", "");
  const norm = create("p", "vae-nb-quiet");
  const readout = create(
    "div", "vae-nb-readout",
    create(
      "div", "vae-nb-nearest", nearestView.canvas,
      create("p", "", "Nearest: ", nearestName, distance)),
    norm);
  const status = create("p", "vae-nb-news vae-nb-quiet");
  status.setAttribute("role", "status");
  const say = (message) => { status.textContent = message; };

  function save() {
    const { width, height } = picture;
    const scale = Math.ceil(SAVED_SIZE / Math.max(width, height));
    const large = createImage("", [scale * height, scale * width]);
    const context = large.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, 0, 0, large.width, large.height);
    const link = document.createElement("a");
    link.download = "decoded.png";
    link.href = large.toDataURL("image/png");
    link.click();
    say("Saved as decoded.png, where your browser puts downloads.");
  }

  // --- the map ---

  const map = createMap({
    facts,
    network,
    codes,
    thumbnails,
    moveTo: (place) => moveAlong(state.plane, (coordinates) => {
      coordinates.splice(0, Math.min(2, latent), ...place.slice(0, latent));
    }),
    moveBy: (change) => moveAlong(state.plane, (coordinates) => {
      change.slice(0, latent).forEach((part, axis) => { coordinates[axis] += part; });
    }),
    goTo,
  });
  const planeChoice = document.createElement("select");
  planeChoice.setAttribute("aria-label", "Plane of the map");
  planeChoice.append(...facts.axes.map((axes) => new Option(planeName(axes))));
  planeChoice.addEventListener("change", () => {
    state.plane = facts.axes[planeChoice.selectedIndex];
    refresh();
  });
  const tilesButton = createButton("Decoded", () => {
    const isOn = tilesButton.getAttribute("aria-pressed") !== "true";
    tilesButton.setAttribute("aria-pressed", String(isOn));
    map.showTiles(isOn);
  }, "Decoded pictures behind the map");
  tilesButton.setAttribute("aria-pressed", "true");
  const mapNote = create("p", "vae-nb-note vae-nb-quiet");
  const mapHead = create(
    "div", "vae-nb-map-head", planeChoice, tilesButton,
    createButton("−", map.zoomOut, "Zoom out"),
    createButton("+", map.zoomIn, "Zoom in"),
    createButton("All", map.showAll, "Show the whole map"));

  // --- the tools, each of which is {element, show}, and perhaps remove ---

  const explorer = {
    facts, network, thumbnails, codes, codeOf, state, moveTo, moveAlong, startFrom, refresh, say,
  };
  const ownPicture = createOwnPicture(explorer, picture);
  const tools = {
    Sliders: createSliders(explorer),
    Blend: createBlend(explorer),
    Attribute: createAttribute(explorer),
    Path: createPath(explorer, picture),
    Random: createRandom(explorer, model.get("seed")),
    "Your own": ownPicture,
  };
  const elements = Object.entries(tools).map(([title, tool]) => [title, tool.element]);
  const tabs = createTabs(Object.fromEntries(elements), (title) => {
    state.tab = title;
    refresh();
  });

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
    const { z, axes, plane, corners } = state;
    const nearest = nearestCode(z, codes);
    const name = facts.names[nearest.index];
    paint(picture, network.decode(z), facts.image_shape);
    const changes = changeInWords(z, codeOf(corners[0]), facts.names[corners[0]], axes);
    picture.setAttribute(
      "aria-label", `Decoded picture; the nearest training picture is ${name}. ${changes}`);
    nearestView.show(nearest.index);
    nearestName.textContent = name;
    distance.textContent = distanceInWords(nearest.distance, facts.neighbor_distance);
    norm.textContent = normInWords(z, facts);
    planeChoice.selectedIndex = facts.axes.indexOf(plane);
    map.show(state, nearest.index);
    mapNote.textContent = planeInWords(plane);
    Object.values(tools).forEach((tool) => tool.show(state));
    address?.write(textOf(state, facts));
  }

  el.classList.add("vae-nb-explorer");
  // Keys are for what has the focus, and not for JupyterLab's cells.
  el.addEventListener("focusin", ({ target }) => { target.dataset.lmSuppressShortcuts = "true"; });
  el.addEventListener("dragover", (event) => event.preventDefault()); // a picture may be dropped
  el.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    tabs.select("Your own");
    ownPicture.take(event.dataTransfer.files[0]);
  });
  el.append(create(
    "div", "vae-nb-layout",
    create("div", "vae-nb-screen", picture, readout),
    create("div", "vae-nb-map-area", mapHead, map.element, mapNote),
    create(
      "div", "vae-nb-controls", ...tabs.elements,
      create(
        "div", "vae-nb-actions",
        createButton("Reset", () => goTo(state.corners[0])),
        createButton("Save picture", save), status))));
  model.on("change:vector", follow);
  tabs.select(state.tab);
  if (address) {
    address.onChange(followAddress);
    followAddress();
  }
  show();
  return () => {
    model.off("change:vector", follow);
    map.remove();
    Object.values(tools).forEach((tool) => tool.remove?.());
  };
}

const distanceInWords = (distance, usual) => {
  const neighbors = usual === null ? "" : ` (neighboring codes: ${usual.toFixed(1)} apart)`;
  return `, ${distance.toFixed(1)} away${neighbors}`;
};

// A notebook gives bytes as a DataView, a page as a Uint8Array.
const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

export default { render };
