// An image with a text, pixel for pixel: the browser enlarges it and keeps the pixels sharp.
// Its caption and code come in the same message, which spares the kernel the cost of others.
function render({ model, el }) {
  const canvas = document.createElement("canvas");
  const caption = document.createElement("div");
  const code = document.createElement("input");
  canvas.className = "vae-nb-image";
  canvas.setAttribute("role", "img");
  caption.className = "vae-nb-caption";
  code.className = "vae-nb-code";
  code.readOnly = true;
  code.dataset.lmSuppressShortcuts = "true"; // its keys select text, not cells
  code.setAttribute("aria-label", "The latent vector as code");
  code.addEventListener("focus", () => code.select());
  el.append(canvas, caption, code);

  function draw() {
    const bytes = model.get("rgba");
    const [height, width] = model.get("size");
    const rgba = new Uint8ClampedArray(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    canvas.style.width = `${Math.round(width * model.get("scale"))}px`;
    canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
    canvas.setAttribute("aria-label", model.get("text"));
    caption.textContent = model.get("caption");
    code.value = model.get("code");
    code.hidden = !code.value;
  }

  // One message may change several of these; they are drawn once, when all have arrived.
  model.on("change", draw);
  draw();
  return () => model.off("change", draw);
}

export default { render };
