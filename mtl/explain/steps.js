/* Training steps, shown one at a time. Runs after graph.js and charts.js. */
const COLUMNS = {mean: "mean " + data.loss, "mean of labelled": "mean " + data.loss,
  clip: "clipped", log: "log"};
const MOST = 12;  // tasks in a chart, and in the caption of an image
let shown = "softmax";  // or "logits"
let marks = [];  // functions that move the mark of a chart to the current step
let timer = null;

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
    const sum = data.adds.length ? (k ? data.adds[k - 1] : task.term) : null;
    if (sum !== null) values.push(sum);
    const weight = floor ? make("td", {class: "floor"}, "0, at the floor") : format(own.weight);
    return [task.name, ...values.map((i) => format(step.values[i])), weight,
      format(own.gradient_norm)];
  });
  const weight = columns.includes("log") ? "weight (1 / loss)" : "weight";
  const sums = data.adds.length ? ["sum so far"] : [];
  table(byId("losses"), `Values of the batch. Weight: d cost / d mean ${data.loss}. Gradient ` +
    "norm: the norm of the gradient that the task sends into the shared features.",
  ["task", ...columns.map((word) => COLUMNS[word]), ...sums, weight, "gradient norm"], rows);
}

function showPredictions(step) {
  const most = Math.max(...data.tasks.map((task) => task.outputs));
  const indices = Array.from({length: most}, (_, k) => k);
  const rows = data.tasks.map((task) => {
    const own = step.tasks[task.name];
    if (!own.softmax) return [task.name, valueCell(own, most)];
    const best = Math.max(...own.softmax.filter((each) => typeof each === "number"));
    return [task.name, ...indices.map((k) => predictionCell(own, k, best))];
  });
  const first = data.tasks[0];
  const x = `X is the last class of a task: ${first.outputs - 1} for ${first.name}, ` +
    `${most - 1} for a digit.`;
  table(byId("predictions"), "The first example of the batch. Frame: the label. Arrow: the " +
    "predicted class. " + (data.numbers ? x : ""), ["task", ...indices.map(String)], rows);
}
/* The cell of a task without probabilities: its value and label. */
function valueCell(own, most) {
  const label = own.written ? `label ${own.written}` : "not labelled";
  const text = shown === "softmax" ? `${own.predicted} (${label})` : own.logits.join(", ");
  return make("td", {class: "value", colspan: most}, text);
}
function isLabel(own, k) {
  return Array.isArray(own.label) ? own.label[k] === 1 : own.label === k;
}
function predictionCell(own, k, best) {
  if (k >= own.softmax.length) return make("td", {});
  const share = own.softmax[k], value = own[shown][k];
  const digits = shown === "softmax" ? 3 : 2;
  const text = typeof value === "number" ? value.toFixed(digits) : value;
  // Several labels of yes or no are predicted independently.
  const predicted = Array.isArray(own.label) ? share > 0.5 : share === best;
  const cell = make("td", {}, (predicted ? "\u25b8" : "") + text);
  if (isLabel(own, k)) {
    cell.classList.add("label");
    cell.title = "the label";
  }
  if (typeof share === "number") {
    const percent = Math.round(50 * share);
    cell.style.background = `color-mix(in srgb, var(--accent) ${percent}%, transparent)`;
  }
  return cell;
}

/* -- the current step -- */
function inWords(number) {
  if (number === null) return "more than 5 digits";
  return number === "" ? "no number" : number;
}
/* The labels or predictions of the first example: "digit 3, odd 1". */
function ofTasks(step, field) {
  const words = Object.entries(step.tasks).slice(0, MOST)
    .map(([name, own]) => `${name} ${own[field] || "not labelled"}`);
  return words.join(", ") + (data.tasks.length > MOST ? ", ..." : "");
}
function showImage(step) {
  const label = data.numbers ? inWords(step.true) : ofTasks(step, "written");
  const predicted = data.numbers ? inWords(step.predicted) : ofTasks(step, "predicted");
  byId("image").hidden = step.image === null;
  if (step.image !== null) byId("image").src = step.image;
  byId("image").alt = "the first image of the batch, label " + label;
  byId("caption").textContent = `Label: ${label}. Predicted: ${predicted}.`;
}
function showSummary(step) {
  const floor = data.tasks.filter((task) => isAtFloor(step, task)).map((task) => task.name);
  const known = data.tasks.filter((task) => typeof weightOf(step, task) === "number");
  const heaviest = known.reduce((a, b) => !a || weightOf(step, b) > weightOf(step, a) ? b : a, null);
  const words = [`Step ${now + 1}: the cost is ${format(step.values[data.cost])}.`];
  if (floor.length === data.tasks.length) {
    words.push("All tasks are at the floor: every gradient of this batch is 0.");
  } else {
    if (heaviest) {
      words.push(`${heaviest.name} has the largest weight, ${format(weightOf(step, heaviest))}.`);
    }
    if (floor.length) words.push(`At the floor, with gradient 0: ${floor.join(", ")}.`);
  }
  if (step.unseen && "score" in step.unseen) {
    words.push(`Score on ${step.unseen.of} unseen examples: ${format(step.unseen.score)}.`);
  } else if (step.unseen) {
    words.push(`Unseen images correct: ${step.unseen.correct} of ${step.unseen.of}.`);
  }
  byId("summary").textContent = words.join(" ");
}
function go(to) {
  now = Math.max(0, Math.min(steps.length - 1, to));
  const step = steps[now];
  byId("at").value = now + 1;
  byId("position").textContent = `${now + 1} of ${steps.length}`;
  byId("at").setAttribute("aria-valuetext", "step " + byId("position").textContent);
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

function drawCharts() {
  const last = steps[steps.length - 1];
  const worst = [...data.tasks].sort((a, b) => meanOf(last, b) - meanOf(last, a)).slice(0, MOST);
  const drawn = data.tasks.filter((task) => worst.includes(task));
  const linesOf = (valueOf) => drawn.map((task) =>
    ({name: task.name, values: steps.map((step) => valueOf(step, task))}));
  const note = " of each task over the steps, on a logarithmic scale. The table has the values.";
  for (const [id, label, valueOf] of [["weights", "Weight", weightOf],
    ["means", "Mean " + data.loss, meanOf]]) {
    const caption = byId(id).closest("figure").querySelector("figcaption");
    if (drawn.length < data.tasks.length) {
      const end = caption.textContent.endsWith(".") ? " " : ". ";
      caption.append(`${end}Only the ${MOST} tasks of the largest loss at the last step.`);
    }
    const lines = linesOf(valueOf);
    marks.push(chart(byId(id), label + note, lines, logScale(lines)));
  }
  const shareOf = ({unseen}) => {
    if (!unseen) return null;
    return "score" in unseen ? unseen.score : unseen.correct / unseen.of;
  };
  const values = steps.map(shareOf);
  if (values.every((each) => typeof each === "number")) {
    const lines = [{name: "unseen", values}];
    const what = data.numbers ? "Accuracy on unseen images" : "Score on unseen examples";
    const scale = scoreScale(lines, data.share);
    marks.push(chart(byId("unseen"), what + " over the steps", lines, scale));
  } else {
    byId("unseen").closest("figure").hidden = true;
  }
}

if (steps.length) {
  byId("at").max = steps.length;
  byId("at").addEventListener("input", () => go(Number(byId("at").value) - 1));
  byId("back").addEventListener("click", () => go(now - 1));
  byId("next").addEventListener("click", () => go(now + 1));
  byId("play").addEventListener("click", togglePlay);
  byId("softmax").addEventListener("click", () => show("softmax"));
  byId("logits").addEventListener("click", () => show("logits"));
  drawCharts();
  go(0);
}
