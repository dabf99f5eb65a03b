"use strict";
/* Lines and operations. At most one of them is selected. */
const data = JSON.parse(document.getElementById("data").textContent);
const ops = data.ops, steps = data.steps;
let selected = null;  // the id of a line or of an operation
let now = 0;  // the index of the step that is shown; readers count from 1

const byId = (id) => document.getElementById(id);
const cell = (i) => byId("op-" + i);
const opsOfLine = {};  // the id of a line -> the indices of the operations shown under it
ops.forEach((op) => { op.takers = []; op.gradients = []; });
ops.forEach((op, i) => {
  op.inputs.forEach((input) => ops[input].takers.push(i));
  if (op.of >= 0) ops[op.of].gradients.push(i);
  op.lines.forEach((id) => (opsOfLine[id] = opsOfLine[id] || []).push(i));
});

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/* Return a number as text with four digits. Infinity and NaN are already text. */
function format(value) {
  if (typeof value === "string") return value;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2);
  return value.toPrecision(4).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

function link(content, select) {
  const button = make("button", {type: "button", class: "link"}, ...content);
  button.addEventListener("click", select);
  return button;
}
function linkOp(i) {
  const scopes = ops[i].name.split(/(?<=\/)/);  // a name may continue below after a slash
  const parts = scopes.flatMap((scope, k) => k ? [make("wbr", {}), scope] : [scope]);
  return link([ops[i].type + " ", ...parts], () => selectOp(i, true));
}
function linkLine(id) {
  const place = id.slice("line-".length).replace(/-(\d+)$/, ":$1");
  const code = byId(id).querySelector("code").cloneNode(true).childNodes;
  return link([place + " ", ...code], () => selectLine(id, true));
}
function codeOf(line) { return line.querySelector("code").textContent.trim(); }
function list(items) { return make("ul", {}, ...items.map((item) => make("li", {}, item))); }

function unmark() {
  for (const each of document.querySelectorAll(".op.lit, .op.in, .op.out, .line.near")) {
    each.classList.remove("lit", "in", "out", "near");
  }
  for (const each of document.querySelectorAll(".panes [aria-pressed='true']")) {
    each.setAttribute("aria-pressed", "false");
  }
  selected = null;
}
function clearSelection() {
  unmark();
  byId("selection").replaceChildren(make("p", {class: "quiet"}, "Nothing is selected."));
}

/* Scroll an element into the view of its pane. */
function reveal(element) {
  const file = element.closest("details");
  if (file) file.open = true;
  const pane = element.closest(".scroller, .map");
  const inner = element.getBoundingClientRect(), outer = pane.getBoundingClientRect();
  if (inner.top < outer.top + 40 || inner.bottom > outer.bottom - 8) {
    pane.scrollTop += inner.top - outer.top - outer.height / 3;
  }
}
function focusOn(element) {
  makeTabStop(element.closest(".scroller, .map"), element);
  element.focus({preventScroll: true});
}

function selectLine(id, moveFocus) {
  if (selected === id) return clearSelection();
  unmark();
  selected = id;
  const line = byId(id), made = opsOfLine[id] || [];
  line.setAttribute("aria-pressed", "true");
  made.forEach((i) => cell(i).classList.add("lit"));
  const count = (kind) => made.filter((i) => ops[i].kind === kind).length;
  const kinds = ["forward", "gradient", "update"].filter(count);
  const counts = kinds.map((kind) => count(kind) + " " + kind).join(", ");
  byId("selection").replaceChildren(
    make("p", {}, make("code", {}, codeOf(line))),
    make("p", {}, made.length + " operations: " + counts + "."),
    list(made.map(linkOp)));
  reveal(line);
  if (made.length) reveal(cell(made[0]));
  if (moveFocus) focusOn(line);
}

function selectOp(i, moveFocus) {
  const id = "op-" + i, op = ops[i];
  if (selected === id) return clearSelection();
  unmark();
  selected = id;
  cell(i).setAttribute("aria-pressed", "true");
  op.inputs.forEach((input) => cell(input).classList.add("in"));
  op.takers.forEach((taker) => cell(taker).classList.add("out"));
  op.gradients.forEach((gradient) => cell(gradient).classList.add("lit"));
  op.lines.forEach((line) => byId(line).classList.add("near"));
  const own = op.lines[op.lines.length - 1];
  byId(own).setAttribute("aria-pressed", "true");
  describeOp(op, i);
  reveal(byId(own));
  reveal(cell(i));
  if (moveFocus) focusOn(cell(i));
}

function describeOp(op, i) {
  const callers = op.lines.slice(0, -1).reverse();
  const rows = [["line", list([linkLine(op.lines[op.lines.length - 1])])]];
  if (callers.length) rows.push(["called from", list(callers.map(linkLine))]);
  if (op.of >= 0) rows.push(["gradient of", linkOp(op.of)]);
  rows.push(["outputs", op.outputs.join(", ") || "none: it runs for its effect"]);
  if (steps.length && i in steps[now].values) {
    rows.push(["value at step " + (now + 1), format(steps[now].values[i])]);
  }
  const related = {inputs: op.inputs, "waits for": op.waits, "taken by": op.takers,
    gradients: op.gradients};
  for (const [name, indices] of Object.entries(related)) {
    if (indices.length) rows.push([name, list(indices.map(linkOp))]);
  }
  const terms = rows.flatMap(([name, value]) =>
    [make("dt", {class: "quiet"}, name), make("dd", {}, value)]);
  byId("selection").replaceChildren(
    make("p", {}, make("strong", {}, op.type), " ", make("code", {}, op.name)),
    make("dl", {}, ...terms));
}

/* Each pane is one stop of the Tab key. The arrow keys move within a pane. */
const MOVES = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1,
  PageDown: 20, PageUp: -20, Home: -Infinity, End: Infinity};

function makeTabStop(pane, element) {
  pane.querySelectorAll('[tabindex="0"]').forEach((each) => each.setAttribute("tabindex", "-1"));
  element.setAttribute("tabindex", "0");
}
function visibleButtons(pane) {
  return [...pane.querySelectorAll("button")].filter((each) => each.getClientRects().length);
}
function moveWithin(pane, event) {
  const buttons = visibleButtons(pane), index = buttons.indexOf(event.target);
  const move = MOVES[event.key];
  if (index < 0 || move === undefined) return;
  event.preventDefault();
  const next = buttons[Math.max(0, Math.min(buttons.length - 1, index + move))];
  next.focus();
  next.scrollIntoView({block: "nearest"});
}
function preparePane(pane) {
  const first = visibleButtons(pane)[0];
  if (first) {
    makeTabStop(pane, first);
    reveal(first);  // it comes after the docstring of the file
  }
  pane.addEventListener("focusin", (event) => {
    if (event.target.tagName === "BUTTON") makeTabStop(pane, event.target);
  });
  pane.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id.startsWith("op-")) selectOp(Number(button.id.slice(3)));
    else selectLine(button.id);
  });
  pane.addEventListener("keydown", (event) => moveWithin(pane, event));
  pane.addEventListener("toggle", () => {
    const buttons = visibleButtons(pane);
    const stops = buttons.some((each) => each.getAttribute("tabindex") === "0");
    if (!stops && buttons.length) makeTabStop(pane, buttons[0]);
  }, true);
}
document.querySelectorAll(".scroller, .map").forEach(preparePane);
document.addEventListener("keydown", (event) => { if (event.key === "Escape") clearSelection(); });
