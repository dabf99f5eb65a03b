/* The box around the number: dragged with a pointer, or set in numbers. */
const SMALLEST = 4;  // pixels of the image, of a side of the box
const REACH = 14;  // pixels of the page, around a corner that can be dragged
const SETTLE = 300;  // milliseconds after a change of a number until the box is sent
const SIDES = ["left", "top", "width", "height"];
let box = null;  // [left, top, width, height] in pixels of the image, or null: the whole image
let dragged = null;  // {id, fixed, from, box} while a pointer moves the box
let settling = 0;

function clearBox() {
  box = null;
  showBox();
}
/* Return the box grown about its centre and clipped to the image: what is sent. */
function context() {
  const [left, top, width, height] = box;
  const more = (data.growth - 1) / 2;
  const from = [Math.max(0, left - more * width), Math.max(0, top - more * height)];
  const to = [Math.min(shown.width, left + (1 + more) * width),
    Math.min(shown.height, top + (1 + more) * height)];
  return [from[0], from[1], to[0] - from[0], to[1] - from[1]];
}
function clamp(value, low, high) { return Math.min(Math.max(value, low), high); }

/* Set the box, moved and cut so that it lies within the image. */
function setBox([left, top, width, height]) {
  width = clamp(Math.round(width), SMALLEST, shown.width);
  height = clamp(Math.round(height), SMALLEST, shown.height);
  box = [clamp(Math.round(left), 0, shown.width - width),
    clamp(Math.round(top), 0, shown.height - height), width, height];
  showBox();
}
function showBox() {
  const element = byId("box");
  element.hidden = byId("whole").disabled = !box;
  byId("advice").textContent = advice();
  SIDES.forEach((side, k) => {
    byId(side).value = box ? box[k] : "";
    if (!shown) return;
    const full = k % 2 ? shown.height : shown.width;
    byId(side).placeholder = k < 2 ? 0 : full ?? "";
    byId(side).max = full ?? "";
    if (box) element.style[side] = `${100 * box[k] / full}%`;
  });
}
function advice() {
  const what = data.numbers ? "number" : "object";
  if (!box) return `Drag a box around the ${what} to send only that part.`;
  if (data.growth === 1) return "The part in the box was sent.";
  return `Sent: the box, grown to ${data.growth} times its size as in training.`;
}
function sendBox() { if (shown) sendShown(begin()); }

/* -- with a pointer -- */
function place(event) {
  const frame = byId("image").getBoundingClientRect();
  return [(event.clientX - frame.left) / frame.width * shown.width,
    (event.clientY - frame.top) / frame.height * shown.height];
}
/* Return the corner opposite to the one at a place, or null if no corner is there. */
function opposite([x, y]) {
  if (!box) return null;
  const reach = REACH * shown.width / byId("image").getBoundingClientRect().width;
  const [left, top, width, height] = box;
  const near = (a, b) => Math.abs(a - b) <= reach;
  const sideX = near(x, left) ? left + width : near(x, left + width) ? left : null;
  const sideY = near(y, top) ? top + height : near(y, top + height) ? top : null;
  return sideX === null || sideY === null ? null : [sideX, sideY];
}
function isInside([x, y]) {
  return box && x > box[0] && x < box[0] + box[2] && y > box[1] && y < box[1] + box[3];
}
function startDrag(event) {
  if (event.button || dragged || !shown?.source) return;
  const from = place(event), corner = opposite(from);
  const moves = !corner && isInside(from);
  dragged = {id: event.pointerId, from, fixed: moves ? null : corner || from, box, moved: false};
  byId("frame").setPointerCapture(event.pointerId);
  event.preventDefault();
}
function drag(event) {
  if (event.pointerId !== dragged?.id) return;
  const [x, y] = place(event), {from, fixed} = dragged;
  dragged.moved ||= Math.hypot(x - from[0], y - from[1]) >= SMALLEST;
  if (!dragged.moved) return;
  if (!fixed) {
    const [left, top, width, height] = dragged.box;
    setBox([left + x - from[0], top + y - from[1], width, height]);
    return;
  }
  const end = [clamp(x, 0, shown.width), clamp(y, 0, shown.height)];
  setBox([Math.min(end[0], fixed[0]), Math.min(end[1], fixed[1]),
    Math.abs(end[0] - fixed[0]), Math.abs(end[1] - fixed[1])]);
}
function endDrag(event) {
  if (event.pointerId !== dragged?.id) return;
  const {moved, box: before} = dragged;
  dragged = null;
  if (event.type === "pointercancel") {
    box = before;
    showBox();
  } else if (moved) sendBox();
}
byId("context").style.inset = `${-50 * (data.growth - 1)}%`;
byId("frame").addEventListener("pointerdown", startDrag);
byId("frame").addEventListener("pointermove", drag);
byId("frame").addEventListener("pointerup", endDrag);
byId("frame").addEventListener("pointercancel", endDrag);

/* -- in numbers -- */
function setSide() {
  const full = [0, 0, shown.width, shown.height];
  setBox(SIDES.map((side, k) => byId(side).value === "" ? full[k] : Number(byId(side).value)));
  clearTimeout(settling);
  settling = setTimeout(sendBox, SETTLE);
}
SIDES.forEach((side) => byId(side).addEventListener("change", setSide));
byId("whole").addEventListener("click", () => { clearBox(); sendBox(); });
