// A line of text that a screen reader speaks when it changes.
function render({ model, el }) {
  const line = document.createElement("p");
  line.className = "vae-nb-status";
  line.setAttribute("role", "status");
  el.append(line);

  function show() {
    line.textContent = model.get("text");
  }

  model.on("change:text", show);
  show();
  return () => model.off("change:text", show);
}

export default { render };
