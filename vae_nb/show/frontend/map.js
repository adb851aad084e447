// A point over a figure of the plane of the first two sliders. Moving it moves the sliders.
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

async function render({ model, el }) {
  const id = model.get("sliders").replace("IPY_MODEL_", "");
  const sliders = await model.widget_manager.get_model(id);
  const box = document.createElement("div");
  const background = document.createElement("img");
  const point = document.createElement("div");
  let drawn = null;
  let address = null;
  box.className = "vae-nb-map";
  background.draggable = false;
  point.className = "vae-nb-point";
  point.tabIndex = 0;
  point.dataset.lmSuppressShortcuts = "true"; // the arrow keys move it and choose no cell
  point.setAttribute("role", "slider");
  point.setAttribute("aria-roledescription", "point on a plane");
  box.append(background, point);
  el.append(box);

  function draw() {
    if (address) URL.revokeObjectURL(address);
    drawn = model.get("background");
    address = URL.createObjectURL(new Blob([drawn], { type: "image/png" }));
    background.src = address;
    background.alt = model.get("text");
  }

  function place() {
    return [...sliders.get("values"), 0].slice(0, 2); // a single slider makes a line
  }

  function inside(value, axis) {
    const [low, high] = model.get("limits")[axis];
    return Math.min(high, Math.max(low, value));
  }

  function show() {
    if (drawn !== model.get("background")) draw();
    const values = place();
    const names = sliders.get("names").slice(0, 2);
    const [low, high] = model.get("limits")[0];
    const { left, top, width, height } = model.get("frame"); // of the axes, in parts of the figure
    const [x, y] = values.map((value, axis) => {
      const [low, high] = model.get("limits")[axis];
      return (inside(value, axis) - low) / (high - low);
    });
    const isOutside = values.some((value, axis) => value !== inside(value, axis));
    const texts = names.map((name, axis) => `${name} ${values[axis].toFixed(2)}`);
    if (isOutside) texts.push("further out than the map");
    point.classList.toggle("vae-nb-outside", isOutside);
    point.title = isOutside ? "Further out than the map" : "";
    point.style.left = `${100 * (left + x * width)}%`;
    point.style.top = `${100 * (top + (1 - y) * height)}%`;
    point.setAttribute("aria-label", `Point on the map of ${names.join(" and ")}`);
    point.setAttribute("aria-valuemin", low);
    point.setAttribute("aria-valuemax", high);
    point.setAttribute("aria-valuenow", inside(values[0], 0));
    point.setAttribute("aria-valuetext", texts.join(", ").replaceAll("-", "−"));
  }

  function move(values) {
    const all = sliders.get("values");
    sliders.set("values", [...values.slice(0, all.length), ...all.slice(2)]);
    sliders.save_changes();
  }

  function follow(event) {
    const { left, top, width, height } = model.get("frame");
    const whole = box.getBoundingClientRect();
    const parts = [
      ((event.clientX - whole.left) / whole.width - left) / width,
      1 - ((event.clientY - whole.top) / whole.height - top) / height,
    ];
    move(parts.map((part, axis) => {
      const [low, high] = model.get("limits")[axis];
      return inside(low + part * (high - low), axis);
    }));
  }

  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    box.setPointerCapture(event.pointerId);
    event.preventDefault(); // no selection of text, no dragging of the figure
    point.focus({ preventScroll: true });
    follow(event);
  });
  box.addEventListener("pointermove", (event) => {
    if (box.hasPointerCapture(event.pointerId)) follow(event);
  });
  point.addEventListener("keydown", (event) => {
    const direction = ARROWS[event.key];
    if (!direction || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault(); // the page must not scroll
    const step = sliders.get("step") * (event.shiftKey ? 8 : 1);
    move(place().map((value, axis) =>
      direction[axis] ? inside(value + step * direction[axis], axis) : value));
  });

  model.on("change", show);
  sliders.on("change:values", show);
  show();
  return () => {
    model.off("change", show);
    sliders.off("change:values", show);
    URL.revokeObjectURL(address);
  };
}

export default { render };
