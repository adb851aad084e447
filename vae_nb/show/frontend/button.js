// A button. The return key presses it, although JupyterLab has another use for that key.
function render({ model, el }) {
  const button = document.createElement("button");
  button.className = "vae-nb-button";
  button.dataset.lmSuppressShortcuts = "true";
  button.addEventListener("click", () => model.send("click"));
  el.append(button);

  function show() {
    button.textContent = model.get("text");
    button.disabled = model.get("disabled");
  }

  model.on("change", show);
  show();
  return () => model.off("change", show);
}

export default { render };
