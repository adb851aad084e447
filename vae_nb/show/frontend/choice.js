// One of a few named options: the browser's own radio buttons.
function render({ model, el }) {
  const group = `vae-nb-choice-${Math.random()}`; // choices with the same name would be one group
  const fieldset = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = model.get("title");
  fieldset.className = "vae-nb-choice";
  const radios = model.get("options").map((option) => {
    const label = document.createElement("label");
    const radio = document.createElement("input");
    radio.type = "radio";
    radio.name = group;
    radio.dataset.lmSuppressShortcuts = "true"; // the arrow keys choose an option, not a cell
    radio.addEventListener("change", () => {
      model.set("value", option);
      model.save_changes();
    });
    label.append(radio, option);
    fieldset.append(label);
    return radio;
  });
  fieldset.prepend(legend);
  el.append(fieldset);

  function show() {
    radios[model.get("options").indexOf(model.get("value"))].checked = true;
  }

  model.on("change:value", show);
  show();
  return () => model.off("change:value", show);
}

export default { render };
