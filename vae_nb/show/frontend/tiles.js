// Decoded pictures side by side: what the places of an area stand for. They are drawn a few at a
// time, and only once the reader has paused, so that they slow no movement down.
//
// The timer is our own: Safari has no requestIdleCallback, and Chromium's may wait for a frame that
// nothing asks for.
import { createImage, paint } from "./pixels.js";

const MAX_TILES = 100; // about so many on an area
const MIN_TILE = 40; // pixels of a tile's longer side
const PAUSE = 300; // milliseconds without a change
const SLICE = 8; // milliseconds of drawing, and one tile at least, then the browser's turn

// Returns {canvas, show, remove}.
export function createTiles(decode, shape) {
  const canvas = createImage("vae-nb-tiles", [1, 1]);
  const tile = createImage("", shape);
  canvas.setAttribute("aria-hidden", "true");
  let shown = null; // {area, rest, vectorAt, from}
  let queue = []; // of places [x, y] of tiles, in pixels; the last one is drawn next
  let tileSize = [0, 0];
  let waiting = null;

  function restart() {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    queue = [];
    if (!shown || !width) return;
    const side = Math.max(MIN_TILE, Math.sqrt((width * height) / MAX_TILES));
    const longer = Math.max(...shape.slice(0, 2));
    tileSize = [shape[1], shape[0]].map((length) => Math.ceil((side * length) / longer));
    const centers = [width, height].map((length, axis) => {
      const count = Math.ceil(length / tileSize[axis]);
      return Array.from({ length: count }, (_, k) =>
        length / 2 + (k - (count - 1) / 2) * tileSize[axis]);
    });
    const distance = ([x, y]) => Math.hypot(x - shown.from[0], y - shown.from[1]);
    queue = centers[0].flatMap((x) => centers[1].map((y) => [x, y]));
    queue.sort((a, b) => distance(b) - distance(a)); // those near the point are drawn first
  }

  function clear() {
    const density = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * density));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * density));
    canvas.getContext("2d").scale(density, density);
  }

  function draw([x, y]) {
    const [width, height] = tileSize;
    paint(tile, decode(shown.vectorAt([x, y])), shape);
    const [left, top] = [Math.round(x - width / 2), Math.round(y - height / 2)];
    canvas.getContext("2d").drawImage(tile, left, top, width, height);
  }

  function goOn(delay) {
    clearTimeout(waiting);
    if (queue.length) waiting = setTimeout(work, delay);
  }

  function work() {
    const end = performance.now() + SLICE;
    do draw(queue.pop()); while (queue.length && performance.now() < end);
    goOn(0);
  }

  const resized = new ResizeObserver(() => {
    clear();
    restart();
    goOn(PAUSE);
  });
  resized.observe(canvas);

  return {
    canvas,
    // area, rest: texts on which all tiles depend. Another area clears the old tiles; with another
    // rest they stay until the new ones are drawn. vectorAt: told a place [x, y] in pixels, returns
    // the latent vector there. from: the place whose tiles are drawn first.
    show(area, rest, vectorAt, from) {
      const before = shown;
      shown = { area, rest, vectorAt, from };
      if (before?.area !== area) clear();
      if (before?.area !== area || before.rest !== rest) restart();
      goOn(PAUSE);
    },
    remove() {
      clearTimeout(waiting);
      resized.disconnect();
    },
  };
}
