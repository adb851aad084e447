// Named sliders: the browser's own, which work with keyboards and screen readers.
function render({ model, el }) {
  let built = null;
  let inputs = [];
  let readouts = [];
  el.classList.add("vae-nb-sliders");

  function build() {
    const names = model.get("names");
    const unfolded = model.get("unfolded");
    const limits = model.get("limits");
    built = names;
    inputs = [];
    readouts = [];
    const rows = names.map((name, index) => {
      const row = document.createElement("label");
      const text = document.createElement("span");
      const input = document.createElement("input");
      const readout = document.createElement("span");
      text.textContent = name;
      input.type = "range";
      [input.min, input.max] = limits[index];
      input.step = model.get("step");
      input.setAttribute("aria-label", name);
      input.dataset.lmSuppressShortcuts = "true"; // the arrow keys move it and choose no cell
      input.addEventListener("input", () => {
        const values = [...model.get("values")];
        values[index] = input.valueAsNumber;
        model.set("values", values);
        model.save_changes();
      });
      readout.setAttribute("aria-hidden", "true"); // the slider itself tells it to a screen reader
      row.append(text, input, readout);
      inputs.push(input);
      readouts.push(readout);
      return row;
    });
    const shown = grid(rows.slice(0, unfolded));
    if (unfolded === rows.length) {
      el.replaceChildren(shown);
      return;
    }
    const folded = document.createElement("details");
    const summary = document.createElement("summary");
    summary.textContent = model.get("fold_text");
    summary.dataset.lmSuppressShortcuts = "true";
    folded.append(summary, grid(rows.slice(unfolded)));
    el.replaceChildren(shown, folded);
  }

  function grid(rows) {
    const box = document.createElement("div");
    box.append(...rows);
    return box;
  }

  function show() {
    if (built !== model.get("names")) build();
    model.get("values").forEach((value, index) => {
      const text = value.toFixed(2).replace(/^-0\.00$/, "0.00").replace("-", "−");
      inputs[index].value = value;
      inputs[index].setAttribute("aria-valuetext", text);
      readouts[index].textContent = text;
    });
  }

  // One message may change names and values; they are shown when all have arrived.
  model.on("change", show);
  show();
  return () => model.off("change", show);
}

export default { render };
