// Decoded pictures side by side: what the places of an area stand for. They are drawn while the
// browser is idle, so that they slow nothing down.
import { createImage, paint } from "./pixels.js";

const MAX_TILES = 100; // about so many on an area
const MIN_TILE = 40; // pixels of a tile's longer side
const MAX_COST = 40; // milliseconds; a browser that is idle leaves 50
const IDLE_DELAY = 100; // milliseconds without a change, in browsers that do not say when they are idle

// Ask for a call with a deadline, once the browser is idle.
const [whenIdle, cancelIdle] = window.requestIdleCallback
  ? [window.requestIdleCallback.bind(window), window.cancelIdleCallback.bind(window)]
  : [(act) => setTimeout(() => {
    const end = performance.now() + 50;
    act({ timeRemaining: () => end - performance.now() });
  }, IDLE_DELAY), clearTimeout];

// Returns {canvas, show, remove}.
export function createTiles(decode, shape) {
  const canvas = createImage("vae-nb-tiles", [1, 1]);
  const tile = createImage("", shape);
  canvas.setAttribute("aria-hidden", "true");
  let shown = null; // {area, rest, vectorAt, from}
  let queue = []; // of places [x, y] of tiles, in pixels; the last one is drawn next
  let tileSize = [0, 0];
  let cost = 0; // milliseconds of the last tile
  let waiting = null;

  function restart() {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    queue = [];
    if (!shown || !width) return;
    const side = Math.max(MIN_TILE, Math.sqrt((width * height) / MAX_TILES));
    const longer = Math.max(...shape.slice(0, 2));
    tileSize = [side * (shape[1] / longer), side * (shape[0] / longer)];
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
    canvas.getContext("2d").drawImage(tile, x - width / 2, y - height / 2, width, height);
  }

  function goOn() {
    cancelIdle(waiting);
    if (queue.length) waiting = whenIdle(work);
  }

  function work(deadline) {
    while (queue.length && deadline.timeRemaining() > Math.min(cost, MAX_COST)) {
      const started = performance.now();
      draw(queue.pop());
      cost = performance.now() - started;
    }
    goOn();
  }

  const resized = new ResizeObserver(() => {
    clear();
    restart();
    goOn();
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
      goOn();
    },
    remove() {
      cancelIdle(waiting);
      resized.disconnect();
    },
  };
}
