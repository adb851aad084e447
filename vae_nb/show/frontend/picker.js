// Choose training pictures among many: by their look, or by a part of their names.
import { create, createButton } from "./elements.js";

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

// title: what is chosen. many: whether one may choose several, so that the list stays open.
// choose: told the index of a picture that was pressed. Returns {element, show}.
export function createPicker({ title, names, thumbnails, many = false, choose }) {
  const label = create("span", "vae-nb-picker-label");
  const view = thumbnails.view("vae-nb-tile");
  const summary = many ? create("summary", "", label) : create("summary", "", view.canvas, label);
  const search = document.createElement("input");
  const choices = create("div", "vae-nb-choices");
  const list = create(
    "div", "vae-nb-list", create("div", "vae-nb-find", search, createButton("Done", close)), choices);
  const details = create("details", "vae-nb-picker", summary, list);
  let buttons = [];
  let chosen = [];

  search.type = "search";
  search.placeholder = "Find by name";
  search.setAttribute("aria-label", `${title}: find by name`);
  choices.setAttribute("role", "group");
  choices.setAttribute("aria-label", `${title}: pictures`);

  function close() {
    details.open = false;
    summary.focus();
  }

  // One button for each picture; built when the list is first opened, for there may be thousands.
  function build() {
    buttons = names.map((name, index) => {
      const { canvas, show } = thumbnails.view("vae-nb-tile");
      show(index);
      const button = createButton(canvas, () => {
        if (!many) close();
        choose(index);
      }, name);
      button.title = name;
      return button;
    });
    choices.append(...buttons);
  }

  function mark() {
    buttons.forEach((button, index) => {
      button.setAttribute("aria-pressed", String(chosen.includes(index)));
    });
    if (choices.contains(document.activeElement)) return; // it stays where it is
    reach(visible().find((button) => button.getAttribute("aria-pressed") === "true") ?? visible()[0]);
  }

  const visible = () => buttons.filter((button) => !button.hidden);

  // The Tab key stops at one of the buttons; the arrow keys go on from there.
  function reach(button) {
    buttons.forEach((other) => { other.tabIndex = other === button ? 0 : -1; });
  }

  details.addEventListener("toggle", () => {
    if (!details.open) return;
    if (buttons.length === 0) build();
    mark();
    list.scrollIntoView({ block: "nearest" });
    buttons[chosen[0] ?? 0].scrollIntoView({ block: "nearest" });
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    event.preventDefault();
    close();
  });
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    buttons.forEach((button, index) => {
      button.hidden = !names[index].toLowerCase().includes(wanted);
    });
    mark();
  });
  choices.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault(); // the list must not scroll
    const shown = visible();
    const next = shown[shown.indexOf(document.activeElement) + step];
    if (!next) return;
    reach(next);
    next.focus();
  });

  return {
    element: details,
    // The indexes of the chosen pictures, and the text that stands for them.
    show(indexes, text) {
      if (label.textContent && indexes.join() === chosen.join()) return;
      chosen = [...indexes];
      view.show(chosen[0]);
      label.textContent = `${title}: ${text}`;
      summary.title = label.textContent;
      mark();
    },
  };
}
