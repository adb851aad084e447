// A blend between the codes of two training pictures.
import { create, createSlider } from "./elements.js";
import { createPicker } from "./picker.js";

const BLEND_STEP = 1 / 20;

// Returns {element, show}.
export function createBlend(explorer) {
  const { facts, thumbnails, codeOf, state, moveTo, startFrom, refresh } = explorer;
  let weight = 0; // of the second picture

  function blend() {
    const [from, to] = [codeOf(state.first), codeOf(state.second)];
    const z = from.map((value, k) => (1 - weight) * value + weight * to[k]);
    moveTo(z, { by: "blend" });
  }

  const pick = (title, choose) => createPicker({ title, names: facts.names, thumbnails, choose });
  const first = pick("From", startFrom);
  const second = pick("To", (index) => {
    state.second = index;
    if (weight) blend(); // at 0, another second picture changes nothing
    else refresh();
  });
  const slider = createSlider({
    name: "Blend",
    min: 0,
    max: 1,
    step: BLEND_STEP,
    move(value) {
      weight = value;
      blend();
    },
  });
  return {
    element: create("div", "", first.element, slider.element, second.element),
    show({ by, first: from, second: to }) {
      if (by !== "blend") weight = 0;
      slider.show(weight);
      first.show(from);
      second.show(to);
    },
  };
}
