// Choose one picture among many: by its look, or by a part of its name.
function render({ model, el }) {
  const names = model.get("names");
  const [height, width] = model.get("tile");
  const columns = model.get("columns");
  const group = `vae-nb-picker-${Math.random()}`; // one name would make all of them one group
  const sheet = URL.createObjectURL(new Blob([model.get("sheet")], { type: "image/png" }));
  el.classList.add("vae-nb-picker");

  function tile(index) {
    const picture = document.createElement("span");
    picture.className = "vae-nb-tile";
    picture.style.width = `${width}px`;
    picture.style.height = `${height}px`;
    picture.style.backgroundImage = `url(${sheet})`;
    move(picture, index);
    return picture;
  }

  function move(picture, index) {
    const [x, y] = [(index % columns) * width, Math.floor(index / columns) * height];
    picture.style.backgroundPosition = `-${x}px -${y}px`;
  }

  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const title = document.createElement("span");
  const chosen = tile(model.get("value"));
  summary.dataset.lmSuppressShortcuts = "true"; // the return key opens it, not a cell
  summary.append(title, chosen);

  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "Find by name";
  search.setAttribute("aria-label", `${model.get("title")}: find by name`);

  const choices = document.createElement("div");
  choices.className = "vae-nb-choices";
  choices.setAttribute("role", "radiogroup");
  choices.setAttribute("aria-label", model.get("title"));
  const radios = names.map((name, index) => {
    const choice = document.createElement("label");
    const radio = document.createElement("input");
    choice.title = name;
    radio.type = "radio";
    radio.name = group;
    radio.dataset.lmSuppressShortcuts = "true"; // the arrow keys choose a picture, not a cell
    radio.setAttribute("aria-label", name);
    radio.addEventListener("change", () => {
      model.set("value", index);
      model.save_changes();
    });
    choice.append(radio, tile(index));
    choices.append(choice);
    return radio;
  });
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    radios.forEach((radio, index) => {
      // The chosen one stays: the Tab key enters a group there.
      const isFound = names[index].toLowerCase().includes(wanted);
      radio.parentElement.hidden = !radio.checked && !isFound;
    });
  });
  details.append(summary, search, choices);
  el.append(details);

  function show() {
    const value = model.get("value");
    radios[value].checked = true;
    move(chosen, value);
    title.textContent = `${model.get("title")}: ${names[value]}`;
  }

  model.on("change:value", show);
  show();
  return () => {
    model.off("change:value", show);
    URL.revokeObjectURL(sheet);
  };
}

export default { render };
