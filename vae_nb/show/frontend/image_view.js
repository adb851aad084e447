// An image with a text, pixel for pixel: the browser enlarges it and keeps the pixels sharp.
function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "vae-nb-image";
  canvas.setAttribute("role", "img");
  el.append(canvas);

  function draw() {
    const bytes = model.get("rgba");
    const [height, width] = model.get("size");
    const rgba = new Uint8ClampedArray(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    canvas.style.width = `${Math.round(width * model.get("scale"))}px`;
    canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
    canvas.setAttribute("aria-label", model.get("text"));
  }

  // One message may change several of these; they are drawn once, when all have arrived.
  model.on("change", draw);
  draw();
  return () => model.off("change", draw);
}

export default { render };
