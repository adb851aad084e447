// Choose one training picture among many: by its look, or by a part of its name.

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

// title: what the picture is chosen for. choose: told the index. Returns {element, show}.
export function createPicker({ title, names, thumbnails, choose }) {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const label = document.createElement("span");
  const search = document.createElement("input");
  const choices = document.createElement("div");
  const chosen = thumbnails.view("vae-nb-tile");
  let buttons = [];
  let current = 0;

  details.className = "vae-nb-picker";
  summary.append(chosen.canvas, label);
  search.type = "search";
  search.placeholder = "Find by name";
  search.setAttribute("aria-label", `${title}: find by name`);
  choices.className = "vae-nb-choices";
  choices.setAttribute("role", "group");
  choices.setAttribute("aria-label", `${title}: pictures`);
  details.append(summary, search, choices);

  // One button for each picture; built when the list is first opened, for there may be thousands.
  function build() {
    buttons = names.map((name, index) => {
      const button = document.createElement("button");
      const { canvas, show } = thumbnails.view("vae-nb-tile");
      show(index);
      button.type = "button";
      button.title = name;
      button.setAttribute("aria-label", name);
      button.append(canvas);
      button.addEventListener("click", () => {
        details.open = false;
        summary.focus();
        choose(index);
      });
      return button;
    });
    choices.append(...buttons);
  }

  function mark() {
    buttons.forEach((button, index) => {
      button.setAttribute("aria-pressed", String(index === current));
    });
    reach(buttons[current]?.hidden ? visible()[0] : buttons[current]);
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
    buttons[current].scrollIntoView({ block: "nearest" });
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
    show(index) {
      current = index;
      chosen.show(index);
      label.textContent = `${title}: ${names[index]}`;
      mark();
    },
  };
}
