/* Show an answer: the prediction, what the network saw, and all probabilities. */
const MOST_BARS = 20;  // of a task with more classes, only the likeliest are shown
const UNSURE = 0.5;  // a lower confidence gets a hint

function clearAnswer() {
  byId("result").hidden = byId("details").hidden = true;
  byId("nothing").hidden = false;
  announce("");
}

function showAnswer(answer) {
  const of = data.numbers ? ofNumber(answer) : ofTasks(answer.tasks);
  byId("result").replaceChildren(...of.parts, ...seenParts(answer.seen));
  byId("distributions").replaceChildren(...of.tables);
  byId("details").hidden = of.tables.length === 0;
  byId("result").hidden = false;
  byId("nothing").hidden = true;
  announce(of.words);
}

/* -- a number -- */
function ofNumber({number, confidence, length, digits}) {
  const words = number === null ? data.tooMany : number || data.noNumber;
  const text = make("p", {class: number ? "number" : "number words", id: "number"}, words);
  const sure = make("p", {class: "sure"}, bar(confidence),
    make("span", {}, make("b", {id: "confidence"}, percent(confidence)), " confidence"));
  const parts = [text, sure];
  if (confidence !== null && confidence < UNSURE) parts.push(unsure());
  const lengths = length.map((_, i) => i < length.length - 1 ? String(i) : "more");
  const places = digits[0].map((_, i) => i < digits[0].length - 1 ? String(i) : "none");
  const tables = [distribution("length", lengths, length)];
  digits.forEach((row, i) => tables.push(distribution(`digit ${i + 1}`, places, row)));
  // A screen reader would read 2136 as a quantity.
  const spoken = number ? `Number ${[...number].join(" ")}` : words;
  return {parts, tables, words: `${spoken}. Confidence ${percent(confidence)}.`};
}
function unsure() {
  const drawn = !byId("pad").hidden;
  return make("p", {class: "hint"}, "The network is not sure. ", drawn
    ? "Write large digits, with a gap between them."
    : "A tight box around the number helps most.");
}

/* -- other tasks: the keys of an output depend on its kind -- */
function ofTasks(tasks) {
  const tables = [], list = make("dl", {class: "outputs"}), words = [];
  for (const [name, output] of Object.entries(tasks)) {
    const {short, share} = shortOf(output);
    const value = make("dd", {}, make("b", {}, short));
    if (share !== undefined) value.append(" ", make("span", {class: "quiet"}, percent(share)));
    list.append(make("div", {}, make("dt", {}, name), value));
    words.push(`${name}: ${short}`);
    if (output.probabilities) tables.push(tableOf(name, output));
  }
  return {parts: [list], tables, words: words.join(". ") + "."};
}
function shortOf(output) {
  if ("class" in output) {
    const best = output.class;
    return {short: best === null ? "\u2013" : `class ${best}`,
      share: best === null ? null : output.probabilities[best]};
  }
  if ("labels" in output) {
    const set = output.labels.flatMap((each, i) => each ? [i] : []);
    if (output.labels.length === 1) {
      const share = output.probabilities[0];
      if (share === null) return {short: "\u2013", share};
      return set.length ? {short: "yes", share} : {short: "no", share: 1 - share};
    }
    const words = set.length > 1 ? "labels" : "label";
    return {short: set.length ? `${words} ${set.join(", ")}` : "no label"};
  }
  if ("value" in output) return {short: output.value === null ? "\u2013" : shortest(output.value)};
  return {short: JSON.stringify(output)};
}
function shortest(value) {
  return Math.abs(value) >= 1e6 ? value.toExponential(4) : String(+value.toPrecision(5));
}
function tableOf(name, {labels, probabilities}) {
  if (labels?.length === 1) {
    const share = probabilities[0];
    return distribution(name, ["yes", "no"], [share, share === null ? null : 1 - share]);
  }
  const names = probabilities.map((_, i) => labels ? `label ${i}` : String(i));
  return distribution(name, names, probabilities, labels);
}

/* -- distributions -- */
/* Return the table of a distribution. Its marked rows are the largest, or the labels that apply. */
function distribution(caption, names, probabilities, labels) {
  const largest = probabilities.indexOf(Math.max(...probabilities.filter((p) => p !== null)));
  const isMarked = (i) => labels ? labels[i] === 1 : i === largest;
  let order = probabilities.map((_, i) => i);
  if (order.length > MOST_BARS) {
    order.sort((a, b) => (probabilities[b] ?? -1) - (probabilities[a] ?? -1) || a - b);
    order = order.slice(0, MOST_BARS);
    caption += `: the ${MOST_BARS} likeliest of ${probabilities.length}`;
  }
  const mark = labels ? "yes" : "largest";
  const rows = order.map((i) => row(names[i], probabilities[i], isMarked(i) ? mark : ""));
  const head = make("tr", {}, make("th", {scope: "col"}, labels ? "label" : "value"),
    make("th", {scope: "col"}, "probability"));
  return make("table", {class: "distribution"}, make("caption", {}, caption),
    make("thead", {class: "unseen"}, head), make("tbody", {}, ...rows));
}
function row(name, share, mark) {
  const text = make("span", {class: "share"}, percent(share));
  if (mark) text.append(make("span", {class: "unseen"}, `, ${mark}`));
  return make("tr", mark ? {class: "best"} : {}, make("th", {scope: "row"}, name),
    make("td", {}, make("div", {}, bar(share), text)));
}
function bar(share) {
  const inside = make("span", {});
  inside.style.width = `${100 * (share ?? 0)}%`;
  return make("span", {class: "bar", "aria-hidden": "true"}, inside);
}

/* -- what the network saw -- */
function seenParts(seen) {
  if (!seen || !seen.length) return [];
  const images = seen.map((src, i) => make("img", {src, class: "view",
    alt: seen.length > 1 ? `view ${i + 1} of ${seen.length}` : "what the network saw"}));
  const parts = [make("h3", {}, "What the network saw"), make("div", {class: "views"}, ...images)];
  if (seen.length > 1) {
    const text = `The prediction is the mean of these ${seen.length} views.`;
    parts.push(make("p", {class: "quiet small"}, text));
  }
  return parts;
}
