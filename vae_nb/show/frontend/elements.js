// The elements of which the explorer is made.
import { twoDigits } from "./latent.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const FAR = 8; // steps of an arrow key with Shift

// An element of a class, with children or texts in it.
export function create(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

export function createButton(text, onClick, label) {
  const button = create("button", "", text);
  button.type = "button";
  if (label) button.setAttribute("aria-label", label);
  button.addEventListener("click", onClick);
  return button;
}

// A native slider with a name and a readout. Returns {element, show}.
export function createSlider({ name, min, max, step, move }) {
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

// A group of radio buttons in one line; the first one is chosen. options: texts or elements.
export function createChoice({ title, options, choose }) {
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

// A point that arrow keys move in two directions; a screen reader hears of a slider.
// move: told the steps to the right and up.
export function createPoint({ kind, move }) {
  const point = create("div", "vae-nb-point");
  point.tabIndex = 0;
  point.setAttribute("role", "slider");
  point.setAttribute("aria-roledescription", kind);
  point.addEventListener("keydown", (event) => {
    const direction = ARROWS[event.key];
    if (!direction || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault(); // the page must not scroll
    move(direction.map((part) => part * (event.shiftKey ? FAR : 1)));
  });
  return point;
}

// Panels of which one is shown, with a tab for each. contents: {title: element}.
// Returns {elements, select}. selected: told the title of the panel that is shown.
export function createTabs(contents, selected) {
  const number = `vae-nb-${Math.random().toString(36).slice(2)}`;
  const list = create("div", "vae-nb-tabs");
  const titles = Object.keys(contents);
  const panels = titles.map((title) => create("div", "vae-nb-panel", contents[title]));
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Ways to move");
  const tabs = titles.map((title, index) => {
    const tab = createButton(title, () => select(title));
    tab.id = `${number}-tab-${index}`;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", `${number}-panel-${index}`);
    const panel = panels[index];
    panel.id = `${number}-panel-${index}`;
    panel.tabIndex = 0; // it may scroll
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    return tab;
  });
  function select(chosen) {
    tabs.forEach((tab, index) => {
      const isChosen = titles[index] === chosen;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      panels[index].hidden = !isChosen;
    });
    selected(chosen);
  }
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
    select(titles[next]);
    tabs[next].focus();
  });
  list.append(...tabs);
  return { elements: [list, ...panels], select };
}
