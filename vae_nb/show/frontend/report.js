// The report of a sweep: sorts its table, draws its curves, shows its pictures.
// What comes from the user's files enters the page as text, never as markup.
const state = JSON.parse(document.getElementById("state").textContent);
const { measures, configurations, runs, splits } = state;
const byId = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";
const DIFFERENCE = "difference from the lowest";
const AXIS = { left: 58, right: 12, top: 8, bottom: 34 }; // around the curves, in pixels
const MIN_TICKS = 4;
const REFERENCE = 0; // its index

// What the reader has chosen: indices into the lists above.
const chosen = { measure: 0, configuration: 0, split: 0, view: "Configurations", epoch: 0 };
const sorting = { column: DIFFERENCE, descending: false };

const answer = () => measures[chosen.measure].answer;

// --- elements ---

function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function createOptions(select, texts, choose) {
  texts.forEach((text, index) => select.append(create("option", { value: index }, text)));
  select.addEventListener("change", () => choose(Number(select.value)));
}

// How a configuration stands out, if it does.
function roleOf(configuration) {
  if (configuration === answer().best) return "best";
  return configuration === REFERENCE ? "reference" : "other";
}

// --- the answer ---

function showAnswer() {
  const measure = measures[chosen.measure];
  byId("headline").textContent = measure.answer.headline;
  byId("sentences").replaceChildren(
    ...measure.answer.sentences.map((sentence) => create("p", {}, sentence)),
  );
  byId("meaning").textContent = `${measure.meaning} Less is better.`;
}

// --- the table ---

// The columns of a view: what they are called and what they hold for a row.
function columnsOf(view) {
  const columns = [
    { name: "configuration", text: (row) => configurations[row.configuration].name },
  ];
  if (view === "Runs") {
    columns.push({ name: "seed", number: (row) => row.seed, fill: (row) => [`${row.seed}`] });
  } else if (configurations.length > 1) {
    columns.push({
      name: DIFFERENCE,
      number: (row) => answer().differences[row.configuration].mean,
      fill: (row) => (row.configuration === answer().best
        ? ["lowest"] : [createDifference(answer().differences[row.configuration])]),
    });
  }
  measures.forEach((measure, index) => columns.push({
    name: measure.name,
    title: measure.meaning,
    number: (row) => row.cells[index].mean,
    fill: (row) => [
      row.cells[index].text,
      ...(row.cells[index].interval ? [create("small", {}, row.cells[index].interval)] : []),
    ],
  }));
  return columns;
}

function rowsOf(view) {
  if (view === "Runs") return runs;
  return configurations.map((_, configuration) => ({
    configuration,
    cells: measures.map((measure) => measure.means[configuration]),
  }));
}

function inOrder(rows, column) {
  const way = sorting.descending ? -1 : 1;
  const value = column.number ?? column.text;
  return [...rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return (a === null) - (b === null); // at the end, both ways
    return way * (column.number ? a - b : a.localeCompare(b, "en", { numeric: true }));
  });
}

function showTable() {
  const columns = columnsOf(chosen.view);
  const sorted = columns.find((column) => column.name === sorting.column) ?? columns[0];
  const heads = columns.map((column) => {
    const button = create("button", { type: "button" }, column.name);
    if (column.title) button.title = column.title;
    button.addEventListener("click", () => {
      sorting.descending = column === sorted && !sorting.descending;
      sorting.column = column.name;
      showTable();
      focusOn("thead button", columns.indexOf(column));
    });
    const head = create("th", { scope: "col" }, button);
    if (column === sorted) {
      head.setAttribute("aria-sort", sorting.descending ? "descending" : "ascending");
    }
    return head;
  });
  const rows = inOrder(rowsOf(chosen.view), sorted);
  const lines = rows.map((row) => {
    const name = create("button", { type: "button" }, columns[0].text(row));
    const isChosen = row.configuration === chosen.configuration
      && (row.seed === undefined || row.seed === splits[chosen.split]?.seed);
    name.setAttribute("aria-pressed", isChosen);
    const head = create("th", { scope: "row" }, createMark(row.configuration), name);
    if (chosen.view === "Configurations") {
      head.append(create("small", {}, configurations[row.configuration].detail));
    }
    const cells = columns.slice(1).map((column) => create("td", {}, ...column.fill(row)));
    const line = create("tr", isChosen ? { class: "chosen" } : {}, head, ...cells);
    line.addEventListener("click", () => {
      choose(row);
      focusOn("tbody button", rows.indexOf(row));
    });
    return line;
  });
  const table = byId("numbers").querySelector("table");
  table.tHead.replaceChildren(create("tr", {}, ...heads));
  table.tBodies[0].replaceChildren(...lines);
}

// The buttons of the table are new each time.
function focusOn(selector, index) {
  byId("numbers").querySelectorAll(selector)[index].focus({ preventScroll: true });
}

// The color that a configuration has among the curves.
function createMark(configuration) {
  return create("span", { class: `mark ${roleOf(configuration)}`, "aria-hidden": "true" });
}

// A difference as dots, one for each split, and an interval; all rows have one axis.
function createDifference({ mean, text, interval, half_width: halfWidth, of_seeds: ofSeeds }) {
  const box = create("div", { class: "difference" });
  if (mean === null) {
    box.append("no common split");
    return box;
  }
  const [low, high] = differenceRange();
  const at = (value) => `${(100 * (value - low)) / (high - low)}%`;
  const picture = draw("svg", { "aria-hidden": "true" });
  picture.append(draw("line", { x1: at(0), x2: at(0), y1: 0, y2: "100%", class: "zero" }));
  if (halfWidth !== null) {
    const ends = { x1: at(mean - halfWidth), x2: at(mean + halfWidth), y1: "50%", y2: "50%" };
    picture.append(draw("line", { ...ends, class: "interval" }));
  }
  for (const [, difference] of ofSeeds) {
    picture.append(draw("circle", { cx: at(difference), cy: "50%", r: 2.5 }));
  }
  picture.append(draw("line", { x1: at(mean), x2: at(mean), y1: "15%", y2: "85%", class: "mean" }));
  box.append(picture, `${text} `, create("small", {}, interval));
  return box;
}

// From the lowest dot to the highest one, zero included; intervals of few splits may go beyond.
function differenceRange() {
  const { differences } = answer();
  const dots = differences.flatMap((difference) => difference.of_seeds.map(([, value]) => value));
  const ends = differences.filter(({ half_width }) => half_width !== null)
    .flatMap(({ mean, half_width }) => [mean - half_width, mean + half_width]);
  const [low, high] = [Math.min(0, ...dots), Math.max(0, ...dots)];
  const margin = high - low || 1;
  return [
    Math.max(Math.min(low, ...ends), low - margin) - 0.06 * margin,
    Math.min(Math.max(high, ...ends), high + margin) + 0.06 * margin,
  ];
}

// --- the curves ---

let scale = null; // {x, y}: from an epoch and from a loss to a place in the chart
let pointed = null; // the configuration whose curve the mouse is next to

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))];
}

// The first epochs are far above the others, and so are spikes: they may leave the chart.
function lossRange(curves) {
  const lines = curves.flatMap((curve) => [curve.training, curve.held_out])
    .map((line) => line.filter((value) => value !== null)).filter((line) => line.length);
  const low = Math.min(...lines.map((line) => Math.min(...line)));
  const late = lines.map((line) => line.slice(Math.floor(line.length / 20)));
  const high = Math.max(...late.map((line) => quantile(line, 0.75)));
  const margin = 0.06 * (high - low) || 1;
  return [low - margin, high + margin];
}

// Round numbers between two others.
function ticks(low, high) {
  const most = (high - low) / MIN_TICKS;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = power * [5, 2, 1].find((part) => part * power <= most);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, n) => (first + n) * step);
}

// Draws the curves of the split, those that stand out last.
function showCurves() {
  const chart = byId("chart");
  const curves = splits[chosen.split]?.curves ?? [];
  byId("curves").hidden = !curves.length;
  if (!curves.length) return;
  const { clientWidth: width, clientHeight: height } = chart;
  const last = Math.max(...curves.map((curve) => curve.epochs.at(-1)));
  const [low, high] = lossRange(curves);
  const [right, bottom] = [width - AXIS.right, height - AXIS.bottom];
  const part = (value, from, to) => (value - from) / (to - from || 1);
  scale = {
    x: (epoch) => AXIS.left + part(epoch, 1, last) * (right - AXIS.left),
    y: (loss) => bottom - part(loss, low, high) * (bottom - AXIS.top),
  };
  const picture = draw("svg", { width, height, "aria-hidden": "true" });
  for (const loss of ticks(low, high)) {
    const y = scale.y(loss);
    picture.append(
      draw("line", { x1: AXIS.left, x2: right, y1: y, y2: y, class: "grid" }),
      draw("text", { x: AXIS.left - 6, y: y + 4, "text-anchor": "end" }, written(loss)),
    );
  }
  for (const epoch of ticks(1, last).filter(Number.isInteger)) {
    const place = { x: scale.x(epoch), y: bottom + 15, "text-anchor": "middle" };
    picture.append(draw("text", place, written(epoch)));
  }
  const middle = { x: (AXIS.left + right) / 2, y: height - 3, "text-anchor": "middle" };
  picture.append(
    draw("text", middle, "epoch"),
    draw("clipPath", { id: "inside" }, draw("rect", {
      x: AXIS.left, y: AXIS.top, width: Math.max(0, right - AXIS.left),
      height: Math.max(0, bottom - AXIS.top),
    })),
  );
  const weight = (curve) => (curve.configuration === chosen.configuration ? 2 : 0)
    + (roleOf(curve.configuration) === "other" ? 0 : 1);
  const lines = draw("g", { "clip-path": "url(#inside)" });
  for (const curve of [...curves].sort((one, other) => weight(one) - weight(other))) {
    const isChosen = curve.configuration === chosen.configuration;
    const group = draw("g", {
      "data-configuration": curve.configuration,
      class: `curve ${roleOf(curve.configuration)}${isChosen ? " chosen" : ""}`,
    });
    group.append(draw("path", { d: pathOf(curve.epochs, curve.training) }));
    group.append(draw("path", { d: pathOf(curve.epochs, curve.held_out), class: "held-out" }));
    lines.append(group);
  }
  picture.append(lines, draw("g", { id: "cursor" }));
  chart.replaceChildren(picture);
  showLegend(curves);
  showCursor();
}

function pathOf(epochs, losses) {
  let pen = "M";
  return losses.map((loss, index) => {
    if (loss === null) {
      pen = "M";
      return "";
    }
    const point = `${pen}${scale.x(epochs[index]).toFixed(1)} ${scale.y(loss).toFixed(1)}`;
    pen = "L";
    return point;
  }).join("");
}

function written(number) {
  return number.toLocaleString("en", { maximumSignificantDigits: 5 });
}

function showLegend(curves) {
  const names = [...new Set([answer().best, REFERENCE, chosen.configuration])]
    .filter((number) => curves.some((curve) => curve.configuration === number))
    .map((number) => create("span", {}, createMark(number), configurations[number].name));
  byId("legend").replaceChildren(
    ...names, create("span", { class: "quiet" }, "solid: training, dashed: held-out (nats)"),
  );
}

// Where in a curve the chosen epoch is.
function epochIndex({ epochs }) {
  const distances = epochs.map((epoch) => Math.abs(epoch - chosen.epoch));
  return distances.indexOf(Math.min(...distances));
}

// The curve that is told of: that of the mouse, or else that of the chosen configuration.
function curveInUse() {
  return splits[chosen.split].curves
    .find(({ configuration }) => configuration === (pointed ?? chosen.configuration));
}

function showCursor() {
  for (const group of byId("chart").querySelectorAll(".curve")) {
    group.classList.toggle("pointed", Number(group.dataset.configuration) === pointed);
  }
  const cursor = byId("cursor");
  cursor.replaceChildren();
  const curve = curveInUse();
  if (!curve) {
    byId("readout").textContent = "The chosen configuration has no curve for this seed.";
    return;
  }
  const index = epochIndex(curve);
  const x = scale.x(curve.epochs[index]);
  const bottom = byId("chart").clientHeight - AXIS.bottom;
  cursor.append(draw("line", { x1: x, x2: x, y1: AXIS.top, y2: bottom }));
  const told = [];
  for (const [name, losses] of [["training", curve.training], ["held-out", curve.held_out]]) {
    if (losses[index] === null) continue;
    told.push(`${name} ${written(losses[index])}`);
    const y = scale.y(losses[index]);
    if (y >= AXIS.top && y <= bottom) cursor.append(draw("circle", { cx: x, cy: y, r: 4 }));
  }
  const { name } = configurations[curve.configuration];
  byId("readout").textContent = `${name}, epoch ${curve.epochs[index]}: ${told.join(", ")}`;
}

// The mouse chooses the epoch and tells of the nearest curve; a click chooses its configuration.
function followMouse(event) {
  const { curves } = splits[chosen.split];
  const box = byId("chart").getBoundingClientRect();
  const share = (event.clientX - box.left - AXIS.left) / (box.width - AXIS.left - AXIS.right);
  const last = Math.max(...curves.map(({ epochs }) => epochs.at(-1)));
  chosen.epoch = 1 + Math.min(1, Math.max(0, share)) * (last - 1);
  let nearest = Infinity;
  for (const curve of curves) {
    const index = epochIndex(curve);
    for (const loss of [curve.training[index], curve.held_out[index]]) {
      const distance = loss === null
        ? Infinity : Math.abs(scale.y(loss) - (event.clientY - box.top));
      if (distance < nearest) {
        nearest = distance;
        pointed = curve.configuration;
      }
    }
  }
  if (event.type === "pointerdown") choose({ configuration: pointed });
  else showCursor();
}

function forgetMouse() {
  pointed = null;
  showCursor();
}

function followKeys(event) {
  const curve = curveInUse();
  const across = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const along = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (across && curve) {
    const index = epochIndex(curve) + across * (event.shiftKey ? 10 : 1);
    chosen.epoch = curve.epochs[Math.min(curve.epochs.length - 1, Math.max(0, index))];
    showCursor();
  } else if (along) {
    pointed = null;
    const order = splits[chosen.split].curves.map(({ configuration }) => configuration);
    const next = order.indexOf(chosen.configuration) + along;
    choose({ configuration: order[(next + order.length) % order.length] });
  } else {
    return;
  }
  event.preventDefault(); // the page must not scroll
}

// --- the pictures ---

function showPictures() {
  const groups = splits[chosen.split]?.pictures ?? [];
  byId("pictures").hidden = !groups.length;
  const { seed } = splits[chosen.split] ?? {};
  const kinds = ["seen", "held out", "drawn"].map((kind) => create("span", {}, kind));
  const rows = [create("div", { class: "strip kinds" }, create("span"), create("div", {}, ...kinds))];
  for (const group of groups) {
    rows.push(createStrip("originals", group.originals, "Four training and four held-out pictures"));
    for (const [configuration, address] of bestFirst(group.rows)) {
      const { name } = configurations[configuration];
      const row = createStrip(
        name, address, `Their reconstructions, and four draws, by ${name}, seed ${seed}`,
      );
      row.prepend(createMark(configuration));
      if (configuration === chosen.configuration) row.classList.add("chosen");
      rows.push(row);
    }
  }
  byId("strips").replaceChildren(...rows);
}

function bestFirst(rows) {
  const difference = ([configuration]) => answer().differences[configuration].mean ?? Infinity;
  return [...rows].sort((one, other) => difference(one) - difference(other));
}

function createStrip(name, address, alt) {
  const image = create("img", { src: address, alt });
  return create(
    "div", { class: name === "originals" ? "strip originals" : "strip" },
    create("span", { class: "name", title: name }, name), create("div", {}, image),
  );
}

// --- all together ---

function choose({ configuration, seed }) {
  chosen.configuration = configuration;
  const split = splits.findIndex((one) => one.seed === seed);
  if (split >= 0) {
    chosen.split = split;
    byId("seed").value = split;
  }
  showTable();
  showCurves();
  showPictures();
}

function showFailed() {
  if (!state.failed.length) return;
  const lines = state.failed.map(([name, error]) => create(
    "li", {}, create("strong", {}, name), `: ${error}`,
  ));
  byId("failed").append(create("h2", {}, "Failed runs"), create("ul", {}, ...lines));
}

function showViews() {
  for (const view of ["Configurations", "Runs"]) {
    const radio = create("input", { type: "radio", name: "view" });
    radio.checked = view === chosen.view;
    radio.addEventListener("change", () => {
      chosen.view = view;
      showTable();
    });
    byId("views").append(create("label", {}, radio, view));
  }
}

function start() {
  byId("facts").textContent = state.facts;
  showFailed();
  if (!measures.length) {
    document.body.classList.add("empty"); // only what failed is shown
    byId("headline").textContent = "No run is complete, so there is nothing to compare";
    return;
  }
  const compared = measures.map((_, index) => index).filter((index) => measures[index].answer);
  createOptions(byId("measure"), compared.map((index) => measures[index].name), (option) => {
    chosen.measure = compared[option];
    chosen.configuration = answer().best;
    showAnswer();
    choose(chosen);
  });
  [chosen.measure] = compared;
  chosen.configuration = answer().best;
  chosen.epoch = Number.MAX_SAFE_INTEGER; // the last one
  createOptions(byId("seed"), splits.map(({ seed }) => `${seed}`), (split) => {
    chosen.split = split;
    choose(chosen);
  });
  byId("notes").append(...state.notes.map((note) => create("p", {}, note)));
  showViews();
  showAnswer();
  choose(chosen);
  byId("chart").addEventListener("pointermove", followMouse);
  byId("chart").addEventListener("pointerdown", followMouse);
  byId("chart").addEventListener("pointerleave", forgetMouse);
  byId("chart").addEventListener("keydown", followKeys);
  new ResizeObserver(showCurves).observe(byId("chart"));
}

start();
