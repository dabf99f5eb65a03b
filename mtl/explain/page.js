"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const ops = data.ops, steps = data.steps;
const cell = (i) => $("op-" + i);
ops.forEach((op) => { op.out = []; op.gradients = []; });
ops.forEach((op, i) => {
  op.inputs.forEach((j) => ops[j].out.push(i));
  if (op.of >= 0) ops[op.of].gradients.push(i);
});
const ofLine = {};
ops.forEach((op, i) => op.lines.forEach((id) => (ofLine[id] = ofLine[id] || []).push(i)));
let chosen = null, now = 0;

function make(tag, attributes, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}
function say(value) {  // a number as a person reads it; texts are infinities and NaN
  if (typeof value === "string") return value;
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2) : value.toPrecision(4).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/* -- lines and operations: one choice at a time ------------------------------------------------------------------------------- */
function link(text, choose) {
  const button = make("button", {type: "button", class: "link"}, text);
  button.addEventListener("click", choose);
  return button;
}
const linkOp = (i) => link(ops[i].type + " " + ops[i].name, () => chooseOp(i, true));
const linkLine = (id) => link(id.slice(5).replace(/-(\d+)$/, ":$1") + "  " + $(id).querySelector("code").textContent.trim(), () => chooseLine(id, true));
function list(items) { return make("ul", {}, ...items.map((item) => make("li", {}, item))); }

function clear() {
  document.querySelectorAll(".op.lit, .op.in, .op.out, .line.near").forEach((each) => each.classList.remove("lit", "in", "out", "near"));
  document.querySelectorAll('.op[aria-pressed="true"], .line[aria-pressed="true"]').forEach((each) => each.setAttribute("aria-pressed", "false"));
  chosen = null;
}
function letGo() { clear(); $("chosen").replaceChildren(make("p", {class: "quiet"}, "Nothing is chosen.")); }
function show(element) {
  const file = element.closest("details");
  if (file) file.open = true;
  const pane = element.closest(".scroller, .map");
  const inner = element.getBoundingClientRect(), outer = pane.getBoundingClientRect();
  if (inner.top < outer.top + 40 || inner.bottom > outer.bottom - 8) pane.scrollTop += inner.top - outer.top - outer.height / 3;
}
function enter(element) { const group = element.closest(".scroller, .map"); stop(group, element); element.focus({preventScroll: true}); }

function chooseLine(id, move) {
  if (chosen === id) return letGo();
  clear(); chosen = id;
  const line = $(id), made = ofLine[id] || [];
  line.setAttribute("aria-pressed", "true");
  made.forEach((i) => cell(i).classList.add("lit"));
  const count = (kind) => made.filter((i) => ops[i].kind === kind).length;
  const words = ["forward", "gradient", "update"].filter(count).map((kind) => count(kind) + " " + kind).join(", ");
  $("chosen").replaceChildren(
    make("p", {}, make("code", {}, line.querySelector("code").textContent.trim())),
    make("p", {}, made.length + " operations: " + words + "."), list(made.map(linkOp)));
  show(line);
  if (made.length) show(cell(made[0]));
  if (move) enter(line);
}
function chooseOp(i, move) {
  const id = "op-" + i, op = ops[i];
  if (chosen === id) return letGo();
  clear(); chosen = id;
  cell(i).setAttribute("aria-pressed", "true");
  op.inputs.forEach((j) => cell(j).classList.add("in"));
  op.out.forEach((j) => cell(j).classList.add("out"));
  op.gradients.forEach((j) => cell(j).classList.add("lit"));
  op.lines.forEach((each) => $(each).classList.add("near"));
  const own = op.lines[op.lines.length - 1];
  $(own).setAttribute("aria-pressed", "true");
  const rows = [["line", list([linkLine(own)])]];
  if (op.lines.length > 1) rows.push(["called from", list(op.lines.slice(0, -1).reverse().map(linkLine))]);
  if (op.of >= 0) rows.push(["gradient of", linkOp(op.of)]);
  rows.push(["comes out", op.outputs.join(", ") || "nothing: it is run for what it does"]);
  if (steps.length && i in steps[now].values) rows.push(["at step " + now, say(steps[now].values[i])]);
  if (op.inputs.length) rows.push(["goes in", list(op.inputs.map(linkOp))]);
  if (op.waits.length) rows.push(["waits for", list(op.waits.map(linkOp))]);
  if (op.out.length) rows.push(["is taken by", list(op.out.map(linkOp))]);
  if (op.gradients.length) rows.push(["its gradient", list(op.gradients.map(linkOp))]);
  $("chosen").replaceChildren(make("p", {}, make("strong", {}, op.type), " ", make("code", {}, op.name)),
    make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {class: "quiet"}, name), make("dd", {}, value)])));
  show($(own)); show(cell(i));
  if (move) enter(cell(i));
}

/* One stop of the tab key for each pane; arrows move in it. */
function stop(group, element) {
  group.querySelectorAll('[tabindex="0"]').forEach((each) => each.setAttribute("tabindex", "-1"));
  element.setAttribute("tabindex", "0");
}
for (const group of document.querySelectorAll(".scroller, .map")) {
  const all = () => [...group.querySelectorAll("button")].filter((each) => each.getClientRects().length);
  const first = all()[0];
  if (first) { first.setAttribute("tabindex", "0"); show(first); }  // past the docstring of a file
  group.addEventListener("focusin", (event) => { if (event.target.tagName === "BUTTON") stop(group, event.target); });
  group.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id.startsWith("op-")) chooseOp(Number(button.id.slice(3))); else chooseLine(button.id);
  });
  group.addEventListener("keydown", (event) => {
    const buttons = all(), at = buttons.indexOf(event.target);
    if (at < 0) return;
    const jump = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -Infinity, End: Infinity}[event.key];
    if (jump === undefined) return;
    event.preventDefault();
    const next = buttons[Math.max(0, Math.min(buttons.length - 1, at + jump))];
    next.focus();
    next.scrollIntoView({block: "nearest"});
  });
  group.addEventListener("toggle", () => { if (!group.querySelector('button[tabindex="0"]') && all()[0]) stop(group, all()[0]); }, true);
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") letGo(); });

/* -- steps ---------------------------------------------------------------------------------------------------------------------- */
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56a4d8"];  // after Okabe and Ito
const DASHES = ["", "8 3", "3 3", "10 3 2 3", "6 2 2 2 2 2", "1 3"];
function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
function chart(home, label, value) {
  const W = 420, H = 220, left = 46, right = 60, top = 8, bottom = 22;
  const series = data.tasks.map((task) => steps.map((step) => value(step, task)));
  const positive = series.flat().filter((each) => typeof each === "number" && each > 0);
  const low = Math.floor(Math.log10(Math.min(...positive, 1))), high = Math.ceil(Math.log10(Math.max(...positive, 1.0001)));
  const zero = H - bottom, last = zero - 16;  // a logarithm has no zero: it gets a line of its own at the bottom
  const x = (i) => left + (W - left - right) * (steps.length > 1 ? i / (steps.length - 1) : 0);
  const y = (each) => typeof each === "number" && each > 0 ? last - (last - top) * (Math.log10(each) - low) / (high - low) : zero;
  const picture = svg("svg", {viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label});
  const every = Math.max(1, Math.ceil((high - low) / 6));
  for (let power = low; power <= high; power += every) {
    picture.append(svg("line", {class: "grid", x1: left, x2: W - right, y1: y(10 ** power), y2: y(10 ** power)}),
      svg("text", {x: left - 6, y: y(10 ** power) + 4, "text-anchor": "end"}, Math.abs(power) < 4 ? String(+(10 ** power).toPrecision(1)) : "1e" + power));
  }
  picture.append(svg("line", {class: "grid", x1: left, x2: W - right, y1: zero, y2: zero}), svg("text", {x: left - 6, y: zero + 4, "text-anchor": "end"}, "0"),
    svg("text", {x: left, y: H - 6}, "step 0"), svg("text", {x: W - right, y: H - 6, "text-anchor": "end"}, String(steps.length - 1)));
  const line = svg("line", {class: "now", y1: top, y2: zero});
  const places = series.map((values, k) => [y(values[values.length - 1]), k]).sort((a, b) => a[0] - b[0]);
  for (let k = places.length - 2; k >= 0; k--) places[k][0] = Math.min(places[k][0], places[k + 1][0] - 12);
  for (let k = 0; k < places.length; k++) places[k][0] = Math.max(places[k][0], top + 8 + 12 * k);
  series.forEach((values, k) => {
    picture.append(svg("polyline", {class: "curve", stroke: COLOURS[k % 6], "stroke-dasharray": DASHES[k % 6], points: values.map((each, i) => x(i) + "," + y(each)).join(" ")}));
    const at = svg("text", {class: "name", x: W - right + 5, y: places.find((place) => place[1] === k)[0] + 4}, data.tasks[k].name);
    at.style.fill = COLOURS[k % 6];
    picture.append(at);
  });
  picture.append(line);
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect(), place = (event.clientX - box.left) / box.width * W;
    go(Math.round((place - left) / (W - left - right) * (steps.length - 1)));
  });
  home.append(picture);
  return () => { line.setAttribute("x1", x(now)); line.setAttribute("x2", x(now)); };
}
function table(home, caption, head, rows) {
  const row = (cells, tag) => make("tr", {}, ...cells.map((each, k) => {
    const given = each && each.nodeType ? each : make(k && tag !== "th" ? "td" : "th", {scope: tag === "th" ? "col" : "row"}, each);
    if (given.tagName === "TD") given.removeAttribute("scope");
    if (k) given.classList.add("number");
    return given;
  }));
  const body = make("tbody", {}, ...rows.map((cells) => row(cells, "td")));
  home.replaceChildren(make("table", {}, make("caption", {}, caption), make("thead", {}, row(head, "th")), body));
}
/* A weight of 0 is the clip's, or that of a task without a label in this batch. */
const atFloor = (step, task) => step.tasks[task.name].weight === 0 && step.values[step.tasks[task.name].mean] < 1e-37;
const logs = steps.length && data.tasks[0].words.includes("log");
let shown = "softmax", marks = [], timer = null;
function go(to) {
  now = Math.max(0, Math.min(steps.length - 1, to));
  const step = steps[now];
  $("at").value = now;
  $("where").textContent = now + " of " + (steps.length - 1);
  $("at").setAttribute("aria-valuetext", "step " + now);
  $("picture").src = step.image;
  const number = (each) => each === null ? "X, more than five digits" : each === "" ? "no number" : each;
  $("caption").textContent = "is " + number(step.true) + ", read " + number(step.read);
  $("picture").alt = "the first picture of the batch, which shows " + number(step.true);
  const value = (i) => step.values[i];
  const words = ["mean", ...data.tasks[0].words.filter((word) => word === "clip" || word === "log")];
  const at = (task, word) => {
    if (word === "mean") return step.tasks[task.name].mean;
    return [...task.loss].reverse().find((i) => word === "log" ? ops[i].type === "Log" : ops[i].type === "Maximum");
  };
  const rows = data.tasks.map((task, k) => {
    const own = step.tasks[task.name], floor = atFloor(step, task);
    const weight = make("td", floor ? {class: "floor"} : {}, floor ? "0, at the floor" : say(own.weight));
    const sum = k === 0 ? say(value(task.loss[task.loss.length - 1])) : say(value(data.adds[k - 1]));
    return [task.name, ...words.map((word) => say(value(at(task, word)))), sum, weight, say(own.pull)];
  });
  const losses = words.length > 1 ? ["mean cross entropy", "clipped", "its log"] : ["mean cross entropy"];
  table($("losses"), "Of the batch. Weight: d cost / d mean cross entropy. Pull: the norm of the gradient that this task sends into the features, and so into the shared bottom.", ["task", ...losses, "sum so far", logs ? "weight, 1 / loss" : "weight", "pull on the features"], rows);
  const most = Math.max(...data.tasks.map((task) => task.classes));
  const distributions = data.tasks.map((task) => {
    const own = step.tasks[task.name], best = Math.max(...own.softmax.filter((each) => typeof each === "number"));
    return [task.name, ...Array.from({length: most}, (_, k) => {
      if (k >= task.classes) return make("td", {});
      const share = own.softmax[k], label = k === own.label;
      const text = shown === "softmax" ? (typeof share === "number" ? share.toFixed(3) : share) : (typeof own.logits[k] === "number" ? own.logits[k].toFixed(2) : own.logits[k]);
      const each = make("td", label ? {class: "label"} : {}, (share === best ? "\u25b8" : "") + text);
      if (typeof share === "number") each.style.background = `color-mix(in srgb, var(--accent) ${Math.round(55 * share)}%, transparent)`;
      if (label) each.title = "the label";
      return each;
    })];
  });
  table($("reads"), "Of the first picture; framed: the label, arrow: what the task says. X is the last class of a task, as " + (data.tasks[0].classes - 1) + " of length and " + (most - 1) + " of a digit.",
    ["task", ...Array.from({length: most}, (_, k) => String(k))], distributions);
  const floor = data.tasks.filter((task) => atFloor(step, task)).map((task) => task.name);
  const heavy = data.tasks.reduce((a, b) => step.tasks[a.name].weight >= step.tasks[b.name].weight ? a : b);
  const end = data.adds.length ? data.adds[data.adds.length - 1] : data.tasks[0].loss[data.tasks[0].loss.length - 1];
  $("told").textContent = `Step ${now}: the cost is ${say(value(end))}. ` + (floor.length === data.tasks.length ? "All tasks are at the floor: no gradient is left, nothing learns any more." :
    `${heavy.name} weighs most, ${say(step.tasks[heavy.name].weight)}.` + (floor.length ? ` At the floor, without any gradient: ${floor.join(", ")}.` : ""));
  marks.forEach((mark) => mark());
  if (chosen && chosen.startsWith("op-")) { const i = Number(chosen.slice(3)); chosen = null; chooseOp(i); }
}
if (steps.length) {
  $("at").max = steps.length - 1;
  $("at").addEventListener("input", () => go(Number($("at").value)));
  $("back").addEventListener("click", () => go(now - 1));
  $("next").addEventListener("click", () => go(now + 1));
  $("play").addEventListener("click", () => {
    if (timer) { clearInterval(timer); timer = null; } else {
      if (now === steps.length - 1) go(0);
      timer = setInterval(() => { if (now === steps.length - 1) $("play").click(); else go(now + 1); }, 400);
    }
    $("play").setAttribute("aria-pressed", String(Boolean(timer)));
    $("play").textContent = timer ? "Pause" : "Play";
  });
  for (const name of ["softmax", "logits"]) $(name).addEventListener("click", () => {
    shown = name;
    for (const each of ["softmax", "logits"]) $(each).setAttribute("aria-pressed", String(each === name));
    go(now);
  });
  const weight = (step, task) => step.tasks[task.name].weight, mean = (step, task) => step.values[step.tasks[task.name].mean];
  marks = [chart($("weights"), "The weight of each task over the steps, on a logarithmic scale; the table below has the numbers", weight),
    chart($("means"), "The mean cross entropy of each task over the steps, on a logarithmic scale; the table below has the numbers", mean)];
  go(0);
}
