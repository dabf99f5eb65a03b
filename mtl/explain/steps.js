/* Training steps, shown one at a time. Runs after graph.js. */
const SVG = "http://www.w3.org/2000/svg";
// The colours are adapted from Okabe and Ito.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56a4d8"];
const DASHES = ["", "8 3", "3 3", "10 3 2 3", "6 2 2 2 2 2", "1 3"];
const COLUMNS = {mean: "mean cross entropy", "mean of labelled": "mean cross entropy",
  clip: "clipped", log: "log"};
let shown = "softmax";  // or "logits"
let marks = [];  // functions that move the mark of a chart to the current step
let timer = null;

function makeSvg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

/* -- charts -- */
const BOX = {width: 420, height: 220, left: 46, right: 360, top: 8, bottom: 182, zero: 198};

function isPositive(value) { return typeof value === "number" && value > 0; }
function xOf(step) {
  return BOX.left + (BOX.right - BOX.left) * (steps.length > 1 ? step / (steps.length - 1) : 0);
}
/* A logarithmic scale has no zero, so zero has its own line at the bottom. */
function yOf(value, range) {
  if (!isPositive(value)) return BOX.zero;
  const share = (Math.log10(value) - range.low) / (range.high - range.low);
  return BOX.bottom - (BOX.bottom - BOX.top) * share;
}

/* Draw a value of each task over the steps; return a function that moves the mark. */
function chart(home, label, valueOf) {
  const series = data.tasks.map((task) => steps.map((step) => valueOf(step, task)));
  const positive = series.flat().filter(isPositive);
  const range = {low: Math.floor(Math.log10(Math.min(...positive, 1))),
    high: Math.ceil(Math.log10(Math.max(...positive, 1.0001)))};
  const drawing = makeSvg("svg",
    {viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img", "aria-label": label});
  drawGrid(drawing, range);
  drawCurves(drawing, series, range);
  const mark = makeSvg("line", {class: "now", y1: BOX.top, y2: BOX.zero});
  drawing.append(mark);
  drawing.addEventListener("click", (event) => {
    const box = drawing.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * BOX.width;
    go(Math.round((x - BOX.left) / (BOX.right - BOX.left) * (steps.length - 1)));
  });
  home.append(drawing);
  return () => { mark.setAttribute("x1", xOf(now)); mark.setAttribute("x2", xOf(now)); };
}
function drawGrid(drawing, range) {
  const every = Math.max(1, Math.ceil((range.high - range.low) / 6));
  for (let power = range.low; power <= range.high; power += every) {
    const small = Math.abs(power) < 4;
    const text = small ? String(+(10 ** power).toPrecision(1)) : "1e" + power;
    drawGridLine(drawing, yOf(10 ** power, range), text);
  }
  drawGridLine(drawing, BOX.zero, "0");
  const y = BOX.height - 6;
  drawing.append(makeSvg("text", {x: BOX.left, y}, "step 0"),
    makeSvg("text", {x: BOX.right, y, "text-anchor": "end"}, String(steps.length - 1)));
}
function drawGridLine(drawing, y, text) {
  drawing.append(makeSvg("line", {class: "grid", x1: BOX.left, x2: BOX.right, y1: y, y2: y}),
    makeSvg("text", {x: BOX.left - 6, y: y + 4, "text-anchor": "end"}, text));
}
function drawCurves(drawing, series, range) {
  const heights = spread(series.map((values) => yOf(values[values.length - 1], range)));
  series.forEach((values, k) => {
    const points = values.map((value, i) => xOf(i) + "," + yOf(value, range)).join(" ");
    const look = {stroke: COLOURS[k % 6], "stroke-dasharray": DASHES[k % 6]};
    const name = makeSvg("text", {class: "name", x: BOX.right + 5, y: heights[k] + 4},
      data.tasks[k].name);
    name.style.fill = COLOURS[k % 6];
    drawing.append(makeSvg("polyline", {class: "curve", points, ...look}), name);
  });
}
/* Move the heights of names apart until no two of them overlap. */
function spread(heights) {
  const order = heights.map((y, k) => ({y, k})).sort((a, b) => a.y - b.y);
  for (let i = order.length - 2; i >= 0; i--) {
    order[i].y = Math.min(order[i].y, order[i + 1].y - 12);
  }
  order.forEach((each, i) => { each.y = Math.max(each.y, BOX.top + 8 + 12 * i); });
  return order.sort((a, b) => a.k - b.k).map((each) => each.y);
}

/* -- tables -- */
/* Fill `home` with a table. Cells are strings or td elements. The first cell is the row header. */
function table(home, caption, head, rows) {
  const heads = head.map((text, k) =>
    make("th", k ? {scope: "col", class: "number"} : {scope: "col"}, text));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((each, k) => {
    if (!k) return make("th", {scope: "row"}, each);
    const element = typeof each === "string" ? make("td", {}, each) : each;
    element.classList.add("number");
    return element;
  })));
  home.replaceChildren(make("table", {}, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...body)));
}

function meanOf(step, task) { return step.values[step.tasks[task.name].mean]; }
function weightOf(step, task) { return step.tasks[task.name].weight; }
/* The weight is 0 below the clip, but also for a task without a label in the batch. */
function isAtFloor(step, task) {
  return weightOf(step, task) === 0 && meanOf(step, task) < data.floor;
}

function showLosses(step) {
  const columns = data.tasks[0].steps.map((each) => each.word).filter((word) => word in COLUMNS);
  const rows = data.tasks.map((task, k) => {
    const own = step.tasks[task.name], floor = isAtFloor(step, task);
    const values = columns.map((word) => task.steps.find((each) => each.word === word).op);
    values.push(k ? data.adds[k - 1] : task.term);
    const weight = floor ? make("td", {class: "floor"}, "0, at the floor") : format(own.weight);
    return [task.name, ...values.map((i) => format(step.values[i])), weight,
      format(own.gradient_norm)];
  });
  const weight = columns.includes("log") ? "weight (1 / loss)" : "weight";
  table(byId("losses"), "Values of the batch. Weight: d cost / d mean cross entropy. Gradient " +
    "norm: the norm of the gradient that the task sends into the shared features.",
  ["task", ...columns.map((word) => COLUMNS[word]), "sum so far", weight, "gradient norm"], rows);
}

function showPredictions(step) {
  const most = Math.max(...data.tasks.map((task) => task.classes));
  const classes = Array.from({length: most}, (_, k) => k);
  const rows = data.tasks.map((task) => {
    const own = step.tasks[task.name];
    const best = Math.max(...own.softmax.filter((each) => typeof each === "number"));
    return [task.name, ...classes.map((k) => predictionCell(own, k, best))];
  });
  const first = data.tasks[0];
  table(byId("predictions"), "The first example of the batch. Frame: the label. Arrow: the " +
    `predicted class. X is the last class of a task: ${first.classes - 1} for ${first.name}, ` +
    `${most - 1} for a digit.`, ["task", ...classes.map(String)], rows);
}
function predictionCell(own, k, best) {
  if (k >= own.softmax.length) return make("td", {});
  const share = own.softmax[k], value = own[shown][k];
  const digits = shown === "softmax" ? 3 : 2;
  const text = typeof value === "number" ? value.toFixed(digits) : value;
  const cell = make("td", {}, (share === best ? "\u25b8" : "") + text);
  if (k === own.label) {
    cell.classList.add("label");
    cell.title = "the label";
  }
  if (typeof share === "number") {
    const percent = Math.round(55 * share);
    cell.style.background = `color-mix(in srgb, var(--accent) ${percent}%, transparent)`;
  }
  return cell;
}

/* -- the current step -- */
function inWords(number) {
  if (number === null) return "more than 5 digits";
  return number === "" ? "no number" : number;
}
function showImage(step) {
  byId("image").src = step.image;
  byId("image").alt = "the first image of the batch, label " + inWords(step.true);
  byId("caption").textContent =
    `Label: ${inWords(step.true)}. Predicted: ${inWords(step.predicted)}.`;
}
function showSummary(step) {
  const floor = data.tasks.filter((task) => isAtFloor(step, task)).map((task) => task.name);
  const heaviest = data.tasks.reduce((a, b) => weightOf(step, a) >= weightOf(step, b) ? a : b);
  const words = [`Step ${now}: the cost is ${format(step.values[data.cost])}.`];
  if (floor.length === data.tasks.length) {
    words.push("All tasks are at the floor: every gradient is 0, and no task learns any more.");
  } else {
    words.push(`${heaviest.name} has the largest weight, ${format(weightOf(step, heaviest))}.`);
    if (floor.length) words.push(`At the floor, with gradient 0: ${floor.join(", ")}.`);
  }
  byId("summary").textContent = words.join(" ");
}
function go(to) {
  now = Math.max(0, Math.min(steps.length - 1, to));
  const step = steps[now];
  byId("at").value = now;
  byId("at").setAttribute("aria-valuetext", "step " + now);
  byId("position").textContent = now + " of " + (steps.length - 1);
  showImage(step);
  showSummary(step);
  showLosses(step);
  showPredictions(step);
  marks.forEach((move) => move());
  if (selected && selected.startsWith("op-")) {
    const i = Number(selected.slice(3));
    selected = null;  // otherwise selecting it again would clear the selection
    selectOp(i);
  }
}

function advance() {
  if (now === steps.length - 1) togglePlay();
  else go(now + 1);
}
function togglePlay() {
  if (timer) {
    clearInterval(timer);
    timer = null;
  } else {
    if (now === steps.length - 1) go(0);
    timer = setInterval(advance, 400);
  }
  byId("play").setAttribute("aria-pressed", String(Boolean(timer)));
  byId("play").textContent = timer ? "Pause" : "Play";
}
function show(values) {
  shown = values;
  for (const each of ["softmax", "logits"]) {
    byId(each).setAttribute("aria-pressed", String(each === shown));
  }
  go(now);
}

if (steps.length) {
  byId("at").max = steps.length - 1;
  byId("at").addEventListener("input", () => go(Number(byId("at").value)));
  byId("back").addEventListener("click", () => go(now - 1));
  byId("next").addEventListener("click", () => go(now + 1));
  byId("play").addEventListener("click", togglePlay);
  byId("softmax").addEventListener("click", () => show("softmax"));
  byId("logits").addEventListener("click", () => show("logits"));
  const note = " of each task over the steps, on a logarithmic scale. The table has the values.";
  marks = [chart(byId("weights"), "Weight" + note, weightOf),
    chart(byId("means"), "Mean cross entropy" + note, meanOf)];
  go(0);
}
