// A plane of the latent space: every training picture where its code is, and a point where z is.
import { coordinatesOf, shortName, twoDigits, vectorAt } from "./latent.js";
import { create, createPoint } from "./elements.js";
import { createTiles } from "./tiles.js";

const STEP = 1 / 16; // of an arrow key, in the units of an axis
const ZOOM_STEP = 1.6; // of a button
const MAX_ZOOM = 5000; // two codes may be close to one another
const MARGIN = 0.07; // of the map's width and height, around the outermost codes
const DOT = 3; // pixels, the radius of a picture that has no room
const REACH = 9; // pixels from a dot within which a click means it
const STILL = 4; // pixels; a press that moves less is a click
const GRAY = "#8a8a8a"; // seen on light and on dark
const ORANGE = "#d55e00";
const BLUE = "#0072b2";
const GREEN = "#009e73";

// moveTo: told the two coordinates to move z to. moveBy: told how far to move them. goTo: told the
// index of a picture to go to.
// Returns {element, show}.
export function createMap({ facts, network, codes, thumbnails, moveTo, moveBy, goTo }) {
  const latent = facts.axes[0].names.length;
  const count = facts.names.length;
  const canvas = document.createElement("canvas");
  const labels = ["x", "y"].map((axis) => create("span", `vae-nb-axis vae-nb-axis-${axis}`));
  const point = createPoint({
    kind: "point on a plane",
    move: (steps) => moveBy(steps.map((count) => STEP * count)),
  });
  const tiles = createTiles(network.decode, facts.image_shape);
  const element = create("div", "vae-nb-map", tiles.canvas, canvas, ...labels, point);
  canvas.setAttribute("aria-hidden", "true"); // the pickers offer the same pictures by name

  let axes = null;
  let places = []; // [x, y] of each code, in coordinates
  let extent = null; // {low, size} of both axes
  let view = { center: [0, 0], zoom: 1 };
  let drawn = []; // [{index, x, y, size}] on the screen; size 0 for a dot
  let z = null;
  let nearest = 0;
  let posterior = null; // {mean, variances}
  let stops = []; // the vectors on a path

  const size = () => [element.clientWidth, element.clientHeight];

  // Pixels per unit of both axes.
  const scales = () => size().map((length, axis) =>
    (length * (1 - 2 * MARGIN) * view.zoom) / extent.size[axis]);

  function toScreen([x, y]) {
    const [width, height] = size();
    const [sx, sy] = scales();
    return [width / 2 + (x - view.center[0]) * sx, height / 2 - (y - view.center[1]) * sy];
  }

  function toPlane([x, y]) {
    const [width, height] = size();
    const [sx, sy] = scales();
    return [view.center[0] + (x - width / 2) / sx, view.center[1] - (y - height / 2) / sy];
  }

  // A vector in the plane; a single latent dimension makes a line.
  const inPlane = (vector) => [...coordinatesOf(vector, axes), 0].slice(0, 2);
  const place = () => inPlane(z);

  function arrange(newAxes) {
    axes = newAxes;
    places = Array.from({ length: count }, (_, index) => {
      return inPlane(Array.from(codes.subarray(index * latent, (index + 1) * latent)));
    });
    const low = [0, 1].map((axis) => Math.min(...places.map((p) => p[axis])));
    const high = [0, 1].map((axis) => Math.max(...places.map((p) => p[axis])));
    extent = { low, size: [0, 1].map((axis) => high[axis] - low[axis] || 2) };
    labels[0].textContent = `${shortName(axes.names[0])} →`;
    labels[1].textContent = latent > 1 ? `${shortName(axes.names[1])} ↑` : "";
    showAll();
  }

  function showAll() {
    view = { center: extent.low.map((low, axis) => low + extent.size[axis] / 2), zoom: 1 };
  }

  // Zoom by a factor; what is at a place of the screen stays there.
  function zoom(factor, at) {
    const before = toPlane(at);
    view.zoom = Math.min(MAX_ZOOM, Math.max(1, view.zoom * factor));
    if (view.zoom === 1) showAll();
    else shift(toPlane(at), before);
    draw();
  }

  // Move the view such that what is at a place of the plane comes to another one.
  function shift(from, to) {
    view.center = view.center.map((value, axis) => {
      const low = extent.low[axis];
      return Math.min(low + extent.size[axis], Math.max(low, value + to[axis] - from[axis]));
    });
  }

  function zoomAtPoint(factor) {
    const [x, y] = toScreen(place());
    const [width, height] = size();
    const isInside = x >= 0 && y >= 0 && x <= width && y <= height;
    zoom(factor, isInside ? [x, y] : [width / 2, height / 2]);
  }

  // --- drawing ---

  function draw() {
    const [width, height] = size();
    if (!axes || !width || !height) return;
    const density = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const context = canvas.getContext("2d");
    context.scale(density, density);
    drawZeroLines(context, width, height);
    arrangePictures(width, height);
    context.fillStyle = GRAY;
    drawn.filter((picture) => !picture.size).forEach(({ x, y }) => {
      context.beginPath();
      context.arc(x, y, DOT, 0, 2 * Math.PI);
      context.fill();
    });
    drawn.filter((picture) => picture.size).forEach(({ index, x, y, size }) => {
      thumbnails.draw(context, index, x, y, size);
      if (index !== nearest) return;
      context.strokeStyle = ORANGE;
      context.lineWidth = 3;
      context.strokeRect(x - size / 2 - 1.5, y - size / 2 - 1.5, size + 3, size + 3);
    });
    if (stops.length) drawPath(context);
    if (posterior) drawPosterior(context);
    follow();
  }

  // What depends on z is at its place: the point, and the tiles, which have the other coordinates
  // of z. Rounded, these do not change while z moves in the plane.
  function follow() {
    placePoint();
    const others = coordinatesOf(z, axes).slice(2);
    tiles.show(
      [axes.kind, view.zoom, ...view.center].join(),
      others.map((value) => value.toFixed(6)).join(),
      (at) => vectorAt([...toPlane(at), ...others].slice(0, latent), axes),
      toScreen(place()));
  }

  function drawZeroLines(context, width, height) {
    const [x, y] = toScreen([0, 0]);
    context.strokeStyle = GRAY;
    context.globalAlpha = 0.5;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, height);
    context.moveTo(0, y);
    context.lineTo(width, y);
    context.stroke();
    context.globalAlpha = 1;
  }

  // Two standard deviations of the posterior around its mean, seen in the plane: an ellipse.
  function drawPosterior(context) {
    const [sx, sy] = scales();
    const [right, up] = [axes.inverse[0], axes.inverse[1] ?? []];
    const sum = (one, other) => posterior.variances.reduce((total, variance, k) =>
      total + variance * (one[k] ?? 0) * (other[k] ?? 0), 0);
    // The covariance on the screen, where y points down: [[a, b], [b, c]], and its eigenvalues.
    const [a, b, c] = [sum(right, right) * sx * sx, -sum(right, up) * sx * sy, sum(up, up) * sy * sy];
    const half = Math.hypot((a - c) / 2, b);
    const radii = [half, -half].map((part) => 2 * Math.sqrt(Math.max(0, (a + c) / 2 + part)));
    const [x, y] = toScreen(inPlane(posterior.mean));
    context.strokeStyle = BLUE;
    context.lineWidth = 4;
    context.beginPath();
    context.ellipse(x, y, ...radii, Math.atan2(2 * b, a - c) / 2, 0, 2 * Math.PI);
    context.stroke();
  }

  function drawPath(context) {
    const places = stops.map((stop) => toScreen(inPlane(stop)));
    context.strokeStyle = context.fillStyle = GREEN;
    context.lineWidth = 3;
    context.beginPath();
    places.forEach((at) => context.lineTo(...at));
    context.stroke();
    places.forEach(([x, y]) => {
      context.beginPath();
      context.arc(x, y, 2 * DOT, 0, 2 * Math.PI);
      context.fill();
    });
  }

  // Decide which pictures have room: the nearest one first, then in their order. The others are
  // dots. The further one zooms in, the more room there is.
  function arrangePictures(width, height) {
    const side = Math.min(64, 0.02 * (width + height) + 14) * Math.min(1.6, view.zoom ** 0.2);
    const order = [nearest, ...places.keys()].filter((index, k) => k === 0 || index !== nearest);
    const placed = [];
    drawn = [];
    for (const index of order) {
      const [x, y] = toScreen(places[index]);
      if (x < -side || y < -side || x > width + side || y > height + side) continue;
      const isFree = placed.every((other) =>
        Math.abs(other.x - x) >= side || Math.abs(other.y - y) >= side);
      const picture = { index, x, y, size: isFree ? side : 0 };
      if (isFree) placed.push(picture);
      drawn.push(picture);
    }
  }

  function placePoint() {
    const [width, height] = size();
    const [x, y] = toScreen(place());
    const [left, top] = [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
    const isOutside = left !== x || top !== y;
    const names = axes.names.slice(0, 2).map(shortName);
    const texts = names.map((name, axis) => `${name} ${twoDigits(place()[axis])}`);
    if (isOutside) texts.push("outside of what the map shows");
    point.classList.toggle("vae-nb-outside", isOutside);
    point.style.left = `${left}px`;
    point.style.top = `${top}px`;
    point.setAttribute("aria-label", `Point on the map of ${planeName(axes)}`);
    point.setAttribute("aria-valuemin", extent.low[0]);
    point.setAttribute("aria-valuemax", extent.low[0] + extent.size[0]);
    point.setAttribute("aria-valuenow", place()[0]);
    point.setAttribute("aria-valuetext", texts.join(", "));
  }

  // --- pointers: a click on a picture, a drag in the plane, two fingers to zoom ---

  const pointers = new Map(); // those that are down: from their number to [x, y]
  let press = null; // of the first one: {at, picture, isDrag}

  function positionOf(event) {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function pictureAt([x, y]) {
    const isHit = (picture) => {
      const reach = picture.size ? picture.size / 2 : REACH;
      return Math.abs(picture.x - x) <= reach && Math.abs(picture.y - y) <= reach;
    };
    const hits = drawn.filter(isHit);
    const closest = (a, b) => Math.hypot(a.x - x, a.y - y) - Math.hypot(b.x - x, b.y - y);
    return hits.find((hit) => hit.size) ?? hits.sort(closest)[0];
  }

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    event.preventDefault(); // no selection of text
    point.focus({ preventScroll: true });
    const at = positionOf(event);
    pointers.set(event.pointerId, at);
    const onPoint = event.target === point;
    press = pointers.size === 1
      ? { at, picture: onPoint ? null : pictureAt(at), onPoint, isDrag: false }
      : null;
  });

  element.addEventListener("pointermove", (event) => {
    const at = positionOf(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      const picture = pictureAt(at);
      element.title = picture ? facts.names[picture.index] : "";
      element.style.cursor = picture ? "pointer" : "crosshair";
      return;
    }
    pointers.set(event.pointerId, at);
    if (pointers.size === 2) {
      pinch(event.pointerId, before, at);
    } else if (press) {
      press.isDrag ||= Math.hypot(at[0] - press.at[0], at[1] - press.at[1]) > STILL;
      if (press.isDrag) moveTo(toPlane(at));
    }
  });

  // One of two fingers moves: what was under each of them stays there.
  function pinch(moving, before, at) {
    const [[, other]] = [...pointers].filter(([number]) => number !== moving);
    const distance = ([x, y]) => Math.hypot(x - other[0], y - other[1]);
    zoom(distance(at) / Math.max(1, distance(before)), other);
  }

  element.addEventListener("pointerup", (event) => {
    if (press && !press.isDrag && press.picture) goTo(press.picture.index);
    else if (press && !press.isDrag && !press.onPoint) moveTo(toPlane(positionOf(event)));
    release(event);
  });
  element.addEventListener("pointercancel", release);

  function release(event) {
    pointers.delete(event.pointerId);
    press = null;
  }

  element.addEventListener("wheel", (event) => {
    // A page that scrolls must still scroll when the pointer happens to be over the map.
    if (!event.ctrlKey && !element.contains(document.activeElement)) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), positionOf(event));
  }, { passive: false });

  point.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "+") zoomAtPoint(ZOOM_STEP);
    else if (event.key === "-") zoomAtPoint(1 / ZOOM_STEP);
    else return;
    event.preventDefault();
  });

  const resized = new ResizeObserver(draw);
  resized.observe(element);

  return {
    element,
    // Show the state; newNearest is the index of the picture that is nearest to z.
    show(state, newNearest) {
      const isNew = axes !== state.plane || nearest !== newNearest
        || posterior !== state.posterior || stops !== state.stops;
      ({ z, posterior, stops } = state);
      nearest = newNearest;
      if (axes !== state.plane) arrange(state.plane);
      if (isNew) draw();
      else follow();
    },
    zoomIn: () => zoomAtPoint(ZOOM_STEP),
    zoomOut: () => zoomAtPoint(1 / ZOOM_STEP),
    showAll() {
      showAll();
      draw();
    },
    showTiles(isOn) {
      tiles.canvas.hidden = !isOn;
    },
    remove() {
      tiles.remove();
      resized.disconnect();
    },
  };
}

// "p1 and p2"; a single latent dimension makes a line.
export const planeName = (axes) => axes.names.slice(0, 2).map(shortName).join(" and ");

// Say what a plane tells, and what it does not.
export function planeInWords(axes) {
  const names = axes.names.map(shortName);
  if (names.length <= 2) return "This map is the whole latent space.";
  const share = Math.round(100 * axes.plane_share);
  const others = names.length === 3 ? names[2] : `${names[2]} to ${names.at(-1)}`;
  return `Shown: ${share}% of the codes' variance. A drag leaves ${others} alone; `
    + "a click on a picture goes to its code.";
}
