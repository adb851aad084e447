// A point that is dragged, or moved by the arrow keys, over a picture of a plane.
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

function render({ model, el }) {
  const box = document.createElement("div");
  const background = document.createElement("img");
  const point = document.createElement("div");
  let drawn = null;
  let picture = null;
  box.className = "vae-nb-map";
  background.draggable = false;
  point.className = "vae-nb-point";
  point.tabIndex = 0;
  point.dataset.lmSuppressShortcuts = "true"; // the arrow keys move it, and choose no cell
  point.setAttribute("role", "slider");
  point.setAttribute("aria-roledescription", "point on a plane");
  box.append(background, point);
  el.append(box);

  function draw() {
    if (picture) URL.revokeObjectURL(picture);
    drawn = model.get("background");
    picture = URL.createObjectURL(new Blob([drawn], { type: "image/png" }));
    background.src = picture;
    background.alt = model.get("text");
    point.setAttribute("aria-label", `Point on the map of ${model.get("names").join(" and ")}`);
  }

  function show() {
    if (drawn !== model.get("background")) draw();
    const values = model.get("point");
    const names = model.get("names");
    const { left, top, width, height } = model.get("frame"); // of the axes, in parts of the picture
    const [x, y] = values.map((value, axis) => {
      const [low, high] = model.get("limits")[axis];
      return (inside(value, axis) - low) / (high - low);
    });
    const isOutside = values.some((value, axis) => value !== inside(value, axis));
    point.classList.toggle("vae-nb-outside", isOutside);
    point.style.left = `${100 * (left + x * width)}%`;
    point.style.top = `${100 * (top + (1 - y) * height)}%`;
    const [low, high] = model.get("limits")[0];
    point.setAttribute("aria-valuemin", low);
    point.setAttribute("aria-valuemax", high);
    point.setAttribute("aria-valuenow", values[0]);
    const texts = values.map((value, axis) => `${names[axis]} ${value.toFixed(2)}`);
    point.setAttribute("aria-valuetext", texts.join(", ").replaceAll("-", "−"));
  }

  function inside(value, axis) {
    const [low, high] = model.get("limits")[axis];
    return Math.min(high, Math.max(low, value));
  }

  function move(values) {
    model.set("point", values);
    model.save_changes();
  }

  function follow(event) {
    const { left, top, width, height } = model.get("frame");
    const { left: boxLeft, top: boxTop, width: boxWidth, height: boxHeight } =
      box.getBoundingClientRect();
    const parts = [
      ((event.clientX - boxLeft) / boxWidth - left) / width,
      1 - ((event.clientY - boxTop) / boxHeight - top) / height,
    ];
    move(parts.map((part, axis) => {
      const [low, high] = model.get("limits")[axis];
      return inside(low + part * (high - low), axis);
    }));
  }

  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    box.setPointerCapture(event.pointerId);
    event.preventDefault(); // no selection of text, no dragging of the picture
    point.focus({ preventScroll: true });
    follow(event);
  });
  box.addEventListener("pointermove", (event) => {
    if (box.hasPointerCapture(event.pointerId)) follow(event);
  });
  point.addEventListener("keydown", (event) => {
    const direction = ARROWS[event.key];
    if (!direction) return;
    event.preventDefault(); // the page shall not scroll
    const step = model.get("step") * (event.shiftKey ? 8 : 1);
    move(model.get("point").map((value, axis) =>
      direction[axis] ? inside(value + step * direction[axis], axis) : value));
  });

  // One message may change the background and the point; they are shown when all have arrived.
  model.on("change", show);
  show();
  return () => {
    model.off("change", show);
    URL.revokeObjectURL(picture);
  };
}

export default { render };
