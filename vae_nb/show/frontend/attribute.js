// A slider along an attribute, such as "glasses", that the reader tells by examples: it goes from the
// mean code of all other pictures to that of the examples.
import { create, createButton, createSlider } from "./elements.js";
import { createPicker } from "./picker.js";

const ATTRIBUTE_STEP = 1 / 32;
const MIN_RANGE = [-1, 2]; // of the slider; 0 is the mean without the attribute, 1 the one with it

const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
const meanOf = (vectors) =>
  vectors[0].map((_, k) => vectors.reduce((sum, vector) => sum + vector[k], 0) / vectors.length);

// What some examples among the codes tell of their attribute. placeOf gives where a vector is along
// it; `spreads` has the standard deviation of the places of either group. Null if it has no direction.
function attributeOf(examples, codes) {
  const isExample = new Set(examples);
  const groups = [true, false].map((isWith) =>
    codes.filter((_, index) => isExample.has(index) === isWith));
  if (groups.some((group) => group.length === 0)) return null;
  const [to, from] = groups.map(meanOf);
  const along = to.map((value, k) => value - from[k]);
  const squared = dot(along, along);
  if (squared === 0) return null;
  const placeOf = (z) => dot(z.map((value, k) => value - from[k]), along) / squared;
  const places = groups.map((group) => group.map(placeOf));
  const spreads = places.map((ofGroup, index) =>
    Math.sqrt(meanOf(ofGroup.map((place) => [(place - (1 - index)) ** 2]))[0]));
  const range = [
    Math.min(MIN_RANGE[0], ...places.flat().map(Math.floor)),
    Math.max(MIN_RANGE[1], ...places.flat().map(Math.ceil)),
  ];
  return { along, placeOf, spreads, range };
}

// Returns {element, show}.
export function createAttribute({ facts, thumbnails, codeOf, state, moveTo, refresh }) {
  const codes = facts.names.map((_, index) => codeOf(index));
  let shown = []; // the examples that are shown
  let attribute = null;
  let slider = null;
  const picker = createPicker({
    title: "With it",
    names: facts.names,
    thumbnails,
    many: true,
    choose(index) {
      const others = state.examples.filter((other) => other !== index);
      const isNew = others.length === state.examples.length;
      state.examples = isNew ? [...others, index] : others;
      refresh();
    },
  });
  const tiles = create("div", "vae-nb-examples");
  const scale = create("div", "");
  const note = create("p", "vae-nb-quiet");

  // Where a group lies on the slider: its mean, and one standard deviation each way.
  function createBand(name, mean, spread, [low, high]) {
    const percent = (value) => (100 * (value - low)) / (high - low);
    const [left, right] = [mean - spread, mean + spread].map((value) =>
      Math.min(100, Math.max(0, percent(value))));
    const bar = create("div", "vae-nb-bar");
    const dotOfMean = create("div", "vae-nb-mean");
    Object.assign(bar.style, { left: `${left}%`, width: `${right - left}%` });
    dotOfMean.style.left = `${percent(mean)}%`;
    return create(
      "div", "vae-nb-slider", create("span", "", name),
      create("div", "vae-nb-band", create("div", "", bar, dotOfMean)),
      create("span", "vae-nb-value", `±${spread.toFixed(2)}`));
  }

  function build() {
    attribute = attributeOf(shown, codes);
    tiles.replaceChildren(...shown.map((index) => {
      const { canvas, show } = thumbnails.view("vae-nb-tile");
      show(index);
      return canvas;
    }));
    scale.hidden = !attribute;
    note.textContent = attribute
      ? "0 is the mean code of all others, 1 that of your examples. A bar reaches one standard "
        + "deviation each way. Where the bars overlap, the slider cannot tell the two apart."
      : "Open the list and pick pictures that have something in common, such as glasses. A slider "
        + "then goes from the mean code of all others to that of your examples.";
    if (!attribute) return;
    const { along, placeOf, spreads, range } = attribute;
    slider = createSlider({
      name: "Attribute",
      min: range[0],
      max: range[1],
      step: ATTRIBUTE_STEP,
      move(value) {
        const change = value - placeOf(state.z);
        moveTo(state.z.map((entry, k) => entry + change * along[k]));
      },
    });
    scale.replaceChildren(
      slider.element,
      createBand("with it", 1, spreads[0], range),
      createBand("all others", 0, spreads[1], range));
  }

  const clear = createButton("None", () => {
    state.examples = [];
    refresh();
  }, "Pick none");
  build();
  return {
    element: create(
      "div", "", create("div", "vae-nb-actions", picker.element, tiles, clear), scale, note),
    show({ z, examples }) {
      if (examples !== shown) {
        shown = examples;
        build();
      }
      clear.disabled = examples.length === 0;
      picker.show(examples, examples.length === 1 ? "1 picture" : `${examples.length} pictures`);
      if (attribute) slider.show(attribute.placeOf(z));
    },
  };
}
