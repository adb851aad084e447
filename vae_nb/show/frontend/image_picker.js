// Choose one image among many: by its look, or by a part of its name.
function render({ model, el }) {
  const names = model.get("names");
  const [height, width] = model.get("tile");
  const columns = model.get("columns");
  const group = `vae-nb-picker-${Math.random()}`; // pickers with the same name would be one group
  const sheet = URL.createObjectURL(new Blob([model.get("sheet")], { type: "image/png" }));
  el.classList.add("vae-nb-picker");

  function tile(index) {
    const image = document.createElement("span");
    image.className = "vae-nb-tile";
    image.style.width = `${width}px`;
    image.style.height = `${height}px`;
    image.style.backgroundImage = `url(${sheet})`;
    move(image, index);
    return image;
  }

  function move(image, index) {
    const x = (index % columns) * width;
    const y = Math.floor(index / columns) * height;
    image.style.backgroundPosition = `-${x}px -${y}px`;
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
    radio.dataset.lmSuppressShortcuts = "true"; // the arrow keys choose an image, not a cell
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
      // The chosen image stays, because the Tab key enters a group there.
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
