/* Charts of values over the steps. Runs after graph.js. */
const SVG = "http://www.w3.org/2000/svg";
// The colours of the lines are the classes c0 to c5 of page.css.
const DASHES = ["", "8 3", "3 3", "10 3 2 3", "6 2 2 2 2 2", "1 3"];
// All charts have the same box, so their axes line up.
const BOX = {width: 340, height: 200, left: 54, right: 272, top: 8, bottom: 162, zero: 176};
const LONGEST = 10;  // characters of a name beside its line

function makeSvg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
function isPositive(value) { return typeof value === "number" && value > 0; }
function xOf(step) {
  return BOX.left + (BOX.right - BOX.left) * (steps.length > 1 ? step / (steps.length - 1) : 0);
}

/* -- scales: the height of a value, and the ticks as pairs of a value and its text -- */
/* A logarithmic scale has no zero, so zero has its own line at the bottom. */
function logScale(lines) {
  const positive = lines.flatMap((line) => line.values).filter(isPositive);
  const low = Math.floor(Math.log10(Math.min(...positive, 1)));
  const high = Math.ceil(Math.log10(Math.max(...positive, 1.0001)));
  const yOf = (value) => {
    if (!isPositive(value)) return BOX.zero;
    return BOX.bottom - (BOX.bottom - BOX.top) * (Math.log10(value) - low) / (high - low);
  };
  const ticks = [[0, "0"]], every = Math.max(1, Math.ceil((high - low) / 6));
  for (let power = low; power <= high; power += every) {
    const small = Math.abs(power) < 4;
    ticks.push([10 ** power, small ? String(+(10 ** power).toPrecision(1)) : "1e" + power]);
  }
  return {yOf, ticks};
}
/* A scale up to 1 starts at a multiple of 0.1, at most 0.8, so that a small fall is visible. Below
   0, as R2 may be, it starts at a whole number. Shares have ticks in percent. */
function scoreScale(lines, isShare) {
  const textOf = (value) => isShare ? +(100 * value).toFixed(1) + "%"
    : Math.abs(value) < 1e4 ? String(+value.toPrecision(3)) : value.toExponential(1);
  const least = Math.min(...lines.flatMap((line) => line.values));
  const low = least < 0 ? Math.floor(least) : Math.min(0.8, Math.floor(10 * least) / 10);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => low + (1 - low) * share);
  return {yOf: (value) => BOX.zero - (BOX.zero - BOX.top) * (value - low) / (1 - low),
    ticks: ticks.map((value) => [value, textOf(value)])};
}

/* -- drawing -- */
/* Draw lines, {name, values of the steps}; return a function that moves the mark of the step. */
function chart(home, label, lines, scale) {
  const drawing = makeSvg("svg",
    {viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img", "aria-label": label});
  scale.ticks.forEach(([value, text]) => drawGridLine(drawing, scale.yOf(value), text));
  const y = BOX.height - 6;
  drawing.append(makeSvg("text", {x: BOX.left, y}, "step 1"),
    makeSvg("text", {x: BOX.right, y, "text-anchor": "end"}, String(steps.length)));
  drawCurves(drawing, lines, scale);
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
function drawGridLine(drawing, y, text) {
  drawing.append(makeSvg("line", {class: "grid", x1: BOX.left, x2: BOX.right, y1: y, y2: y}),
    makeSvg("text", {x: BOX.left - 6, y: y + 4, "text-anchor": "end"}, text));
}
function drawCurves(drawing, lines, scale) {
  const last = steps.length - 1;
  const heights = spread(lines.map((line) => scale.yOf(line.values[last])));
  lines.forEach(({name, values}, k) => {
    const points = values.map((value, i) => xOf(i) + "," + scale.yOf(value)).join(" ");
    const group = makeSvg("g", {class: "c" + k % 6});
    const text = name.length > LONGEST ? name.slice(0, LONGEST - 1) + "\u2026" : name;
    const label = makeSvg("text", {class: "name", x: BOX.right + 5, y: heights[k] + 4}, text);
    label.append(makeSvg("title", {}, name));
    group.append(makeSvg("polyline", {class: "curve", points,
      "stroke-dasharray": DASHES[k % 6]}), label);
    drawing.append(group);
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
