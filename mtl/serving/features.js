/* A form for the features of one example. */
const PARTS = /[\s,;]+/;
const fields = data.features.map((_, i) => byId("feature-" + i));
const all = byId("features");  // one field for many features, or null

/* Return the features; raise Fault, after the wrong field has the focus. */
function features() {
  if (!all) return fields.map((field, i) => numberOf(field, field.value, data.features[i]));
  const parts = all.value.trim().split(PARTS).filter(Boolean);
  mark(all, parts.length !== data.features.length);
  if (parts.length !== data.features.length) {
    all.focus();
    throw new Fault(`Enter ${data.features.length} numbers. There are ${parts.length}.`);
  }
  return parts.map((part, i) => numberOf(all, part, `number ${i + 1}`));
}
function numberOf(field, text, name) {
  const value = text.trim() === "" ? NaN : Number(text);
  mark(field, !Number.isFinite(value));
  if (Number.isFinite(value)) return value;
  field.focus();
  throw new Fault(`${name}: ${text.trim() ? "not a number" : "empty"}; enter a number.`);
}
function mark(field, wrong) {
  if (wrong) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}
function predict() {
  const controller = begin();
  try {
    ask(controller, JSON.stringify({features: features()}), "");
  } catch (error) {
    showFault(error.message);
  }
}
byId("predict").addEventListener("click", predict);
fields.filter(Boolean).forEach((field) => field.addEventListener("keydown", (event) => {
  if (event.key === "Enter") predict();
}));
