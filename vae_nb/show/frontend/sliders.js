// A slider for each axis of the latent space.
import { create, createChoice, createSlider } from "./elements.js";
import { coordinatesOf } from "./latent.js";

const SLIDER_STEP = 1 / 16;
const MEASURES = {
  "latent dimensions": "In nats: what a dimension costs, its KL divergence.",
  "principal directions": "Change: how much a direction changes the pixels, of all directions.",
};

// Returns {element, show}.
export function createSliders({ facts, state, moveAlong, refresh }) {
  let sliders = [];
  const box = create("div", "vae-nb-sliders");
  const measure = create("p", "vae-nb-quiet");
  const choice = createChoice({
    title: "Sliders along the",
    options: facts.axes.map((axes) => axes.kind),
    choose(index) {
      state.axes = facts.axes[index];
      build();
      refresh();
    },
  });

  function build() {
    const { axes } = state;
    sliders = axes.names.map((name, index) => createSlider({
      name,
      min: -axes.reach[index],
      max: axes.reach[index],
      step: SLIDER_STEP,
      move: (value) => moveAlong(axes, (coordinates) => { coordinates[index] = value; }),
    }));
    measure.textContent = MEASURES[axes.kind];
    const rows = sliders.map((slider) => slider.element);
    box.replaceChildren(...rows.slice(0, axes.informative));
    if (axes.informative === rows.length) return;
    const silent = `Carrying nothing: ${rows.length - axes.informative} of the ${axes.kind}`;
    box.append(create(
      "details", "", create("summary", "", silent), ...rows.slice(axes.informative)));
  }

  build();
  return {
    element: create("div", "", choice, box, measure),
    show({ z, axes }) {
      coordinatesOf(z, axes).forEach((value, index) => sliders[index].show(value));
    },
  };
}
