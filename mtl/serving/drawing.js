/* Draw with a mouse, a pen or a finger. */
const PAPER = "#ffffff", INK = "#1c1e21";
const PEN = 0.075;  // width of the pen on the page, in heights of the drawing area
const PAUSE = 500;  // milliseconds after a stroke until the drawing is sent
// What is sent of a number, see `sheet`. A network that was trained on photographs of house numbers
// reads soft strokes best, with a margin. Lengths are in heights of the ink.
const STROKE = 0.1, SOFT = 0.03, MARGIN = 1.55, NARROWEST = 1.3;
const SHEET = 240;  // pixels, height of the drawing that is sent
const LAYERS = 12;  // of a soft stroke
let strokes = [];  // lists of [x, y], in heights of the drawing area
let drawing = null;  // the id of the pointer that draws
let pause = 0;

function startDrawing() {
  begin();
  clearAnswer();
  setMode("pad");
  showPaper();
}
/* Colours of a mixture of paper, 0, and ink, 1. */
function tone(share) {
  const dark = Math.round(255 - share * 227);
  const value = byId("negative")?.checked ? 255 - dark : dark;
  return `rgb(${value}, ${value}, ${value})`;
}

/* Draw all strokes as smooth lines; toPixels: function of a point. */
function trace(pen, toPixels) {
  pen.beginPath();
  for (const stroke of strokes) {
    const points = stroke.map(toPixels);
    pen.moveTo(...points[0]);
    for (let i = 1; i < points.length - 1; i++) {
      const next = points[i].map((value, k) => (value + points[i + 1][k]) / 2);
      pen.quadraticCurveTo(...points[i], ...next);
    }
    pen.lineTo(...points.at(-1));  // also for a dot
  }
  pen.lineCap = pen.lineJoin = "round";
  pen.stroke();
}
function showPaper() {
  const canvas = byId("paper"), {width, height} = canvas.getBoundingClientRect();
  canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
  canvas.height = Math.max(1, Math.round(height * devicePixelRatio));
  const pen = canvas.getContext("2d");
  pen.fillStyle = tone(0);
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.strokeStyle = tone(1);
  pen.lineWidth = PEN * canvas.height;
  trace(pen, ([x, y]) => [x * canvas.height, y * canvas.height]);
  byId("write").hidden = strokes.length > 0;
  byId("undo").disabled = byId("clear").disabled = !strokes.length;
}

/* Return the part of the paper to send: its middle, width and height, and the width of the pen. */
function sheet() {
  const {width, height} = byId("paper").getBoundingClientRect();
  if (!data.numbers) return {middle: [width / height / 2, 0.5], width: width / height, height: 1,
    wide: PEN};
  const xs = strokes.flat().map(([x]) => x), ys = strokes.flat().map(([, y]) => y);
  const low = [Math.min(...xs), Math.min(...ys)], high = [Math.max(...xs), Math.max(...ys)];
  const wide = STROKE * Math.max(high[1] - low[1], 0.2);
  const tall = MARGIN * (high[1] - low[1] + wide);
  return {middle: low.map((value, k) => (value + high[k]) / 2), height: tall, wide,
    width: Math.max(MARGIN * (high[0] - low[0] + wide), NARROWEST * tall)};
}
/* Return the drawing as a canvas. A stroke is soft: its layers become darker inwards. */
function drawn() {
  const {middle, width, height, wide} = sheet(), scale = SHEET / height;
  const canvas = make("canvas", {height: SHEET, width: Math.round(scale * width)});
  const pen = canvas.getContext("2d"), soft = wide * SOFT / STROKE;
  pen.fillStyle = tone(0);
  pen.fillRect(0, 0, canvas.width, canvas.height);
  for (let k = LAYERS; k > 0; k--) {
    const away = k / LAYERS * 1.1 * wide;  // from the middle of the stroke
    pen.strokeStyle = tone(1 / (1 + Math.exp((away - wide / 2) / soft)));
    pen.lineWidth = 2 * away * scale;
    trace(pen, ([x, y]) => [(x - middle[0]) * scale + canvas.width / 2,
      (y - middle[1]) * scale + canvas.height / 2]);
  }
  return canvas;
}
async function sendDrawing() {
  const controller = begin();
  const body = await toBlob(drawn());
  if (isLatest(controller)) await ask(controller, body, "the drawing");
}
function changed() {
  showPaper();
  clearTimeout(pause);
  if (strokes.length) pause = setTimeout(sendDrawing, PAUSE);
  else { begin(); clearAnswer(); }
}

if (!data.numbers) {  // the drawing area has the shape of the images
  const [height, width] = data.shape;
  byId("pad").style.width = `min(100%, ${HIGHEST * width / height}rem)`;
  byId("paper").style.aspectRatio = `${width} / ${height}`;
  byId("paper").style.height = "auto";
}

/* -- the pen -- */
function at(event) {
  const {left, top, height} = byId("paper").getBoundingClientRect();
  return [(event.clientX - left) / height, (event.clientY - top) / height];
}
byId("paper").addEventListener("pointerdown", (event) => {
  if (event.button || drawing !== null) return;
  drawing = event.pointerId;
  byId("paper").setPointerCapture(drawing);
  clearTimeout(pause);
  strokes.push([at(event)]);
  showPaper();
  event.preventDefault();
});
byId("paper").addEventListener("pointermove", (event) => {
  if (event.pointerId !== drawing) return;
  const events = event.getCoalescedEvents?.() ?? [];
  strokes.at(-1).push(...(events.length ? events : [event]).map(at));
  showPaper();
});
function liftPen(event) {
  if (event.pointerId !== drawing) return;
  drawing = null;
  changed();
}
byId("paper").addEventListener("pointerup", liftPen);
byId("paper").addEventListener("pointercancel", liftPen);

function undo() { strokes.pop(); changed(); }
byId("draw").addEventListener("click", startDrawing);
byId("undo").addEventListener("click", undo);
byId("clear").addEventListener("click", () => { strokes = []; changed(); });
byId("negative")?.addEventListener("change", changed);
document.addEventListener("keydown", (event) => {
  const undoes = (event.ctrlKey || event.metaKey) && event.key === "z" && !byId("pad").hidden;
  if (undoes && strokes.length) { event.preventDefault(); undo(); }
});
new ResizeObserver(() => { if (!byId("pad").hidden) showPaper(); }).observe(byId("pad"));
