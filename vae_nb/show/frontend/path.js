// A path through points that the reader has chosen, played from the first to the last.
import { create, createButton, createSlider } from "./elements.js";
import { nearestCode } from "./latent.js";
import { createImage } from "./pixels.js";

const LEG = 1500; // milliseconds from one stop to the next
const STEPS_OF_LEG = 4; // where nothing may move by itself
const PATH_STEP = 1 / 100;

// decoded: the canvas with the decoded picture. Returns {element, show, remove}.
export function createPath({ facts, codes, state, moveTo, refresh }, decoded) {
  const isStill = window.matchMedia("(prefers-reduced-motion: reduce)");
  let frame = null; // the next one, while it plays
  const buttons = []; // one for each stop

  const legs = () => state.stops.length - 1;

  // Move z to a share of the way, in [0, 1].
  function goTo(share) {
    state.way = Math.min(1, Math.max(0, share));
    const leg = Math.max(0, Math.min(legs() - 1, Math.floor(state.way * legs())));
    const weight = state.way * legs() - leg;
    const [from, to = from] = state.stops.slice(leg, leg + 2); // or there is one stop alone
    const z = from.map((value, k) => (1 - weight) * value + weight * to[k]);
    moveTo(z, { by: "path" });
  }

  function play() {
    goTo(state.way === 1 ? 0 : state.way);
    let before = null;
    frame = requestAnimationFrame(function advance(now) {
      frame = null;
      if (state.by !== "path") { // something else has moved z
        refresh();
        return;
      }
      goTo(state.way + (now - (before ?? now)) / (LEG * legs()));
      before = now;
      if (state.way < 1) frame = requestAnimationFrame(advance);
    });
  }

  function pause() {
    cancelAnimationFrame(frame);
    frame = null;
    refresh();
  }

  function step() {
    const steps = STEPS_OF_LEG * legs();
    const done = Math.floor(state.way * steps + 1e-6);
    goTo(done === steps ? 0 : (done + 1) / steps);
  }

  function add() {
    const index = buttons.length;
    const { names } = facts;
    const view = createImage("vae-nb-tile", [decoded.height, decoded.width]);
    view.setAttribute("aria-hidden", "true");
    view.getContext("2d").drawImage(decoded, 0, 0);
    const near = names[nearestCode(state.z, codes).index];
    const button = createButton(view, () => goTo(legs() ? index / legs() : 0));
    button.setAttribute("aria-label", `Stop ${index + 1}, near ${near}`);
    buttons.push(button);
    change([...state.stops, state.z]);
  }

  function removeLast() {
    buttons.pop();
    change(state.stops.slice(0, -1));
  }

  // Other stops make another way, on which z does not go yet.
  function change(stops) {
    Object.assign(state, { stops, by: null, way: 0 });
    refresh();
  }

  const playButton = createButton("Play", () => {
    if (isStill.matches) step();
    else if (frame === null) play();
    else pause();
  });
  const removeButton = createButton("Remove last", removeLast);
  const row = create("div", "vae-nb-stops");
  const slider = createSlider({ name: "Way", min: 0, max: 1, step: PATH_STEP, move: goTo });
  const note = create("p", "vae-nb-quiet");
  return {
    element: create(
      "div", "",
      create("div", "vae-nb-actions", createButton("Add this point", add), playButton, removeButton),
      row, slider.element, note),
    show({ stops, way }) {
      const hasWay = stops.length > 1;
      playButton.disabled = !hasWay;
      slider.element.hidden = !hasWay;
      removeButton.disabled = stops.length === 0;
      playButton.textContent = isStill.matches ? "Next step" : frame === null ? "Play" : "Pause";
      if (row.childElementCount !== buttons.length) row.replaceChildren(...buttons);
      slider.show(way);
      note.textContent = hasWay
        ? "The way goes straight from stop to stop; the map shows it."
        : "Go anywhere, on the map for example, and add the point; then go on and add another one.";
    },
    remove: () => cancelAnimationFrame(frame),
  };
}
