/* The image that is shown, and what is sent of it. */
const LONGEST = 2000;  // pixels: a larger image is scaled down before it is sent
const EXACT = 1e6;  // pixels: up to this size a part of an image is sent without loss, as PNG
const HIGHEST = 22;  // rem, of the image on the page
const FINE = 1200;  // pixels: the longer side of the image on the page
const BACKDROP = "#808080";  // behind transparent parts, as in mtl/data/images.py
// Formats that the server reads. Any other that the browser can decode is converted.
const READ = ["", "image/png", "image/jpeg", "image/gif", "image/bmp", "image/webp", "image/tiff"];
const MODES = {empty: [], viewer: [], pad: ["draw"], live: ["camera"]};
let shown = null;  // {source, width, height, file, name} of the image

/* Show one part of the stage and its controls. */
function setMode(mode) {
  for (const [name, buttons] of Object.entries(MODES)) {
    byId(name).hidden = name !== mode;
    if (byId(name + "-controls")) byId(name + "-controls").hidden = name !== mode;
    buttons.forEach((id) => byId(id).setAttribute("aria-pressed", String(name === mode)));
  }
  if (mode !== "live") stopCamera();
}

/* Show an image file and send it; extra: added to the note below the image. */
async function take(file, extra = "") {
  const controller = begin();
  const source = await decoded(file);
  if (!isLatest(controller)) return;
  const name = file.name || "the image";
  showImage({source, width: source?.width, height: source?.height, file, name});
  byId("note").textContent = name + sizeText() + extra;
  if (!await isReadable(file)) {
    if (isLatest(controller)) showFault(`${name}: cannot be read; choose an image file.`);
    return;
  }
  await sendShown(controller);
}
/* Return a file as pixels, turned by its EXIF data; null if the browser cannot decode it. */
async function decoded(file) {
  try { return await createImageBitmap(file); } catch { return null; }
}
/* A folder, and a file that was moved, have no content. */
async function isReadable(file) {
  try { return (await file.slice(0, 1).arrayBuffer()).byteLength > 0; } catch { return false; }
}

function showImage(image) {
  shown?.source?.close?.();
  shown = image;
  setMode("viewer");
  byId("frame").hidden = byId("numbers").hidden = byId("whole").hidden = !image.source;
  byId("advice").hidden = !image.source;
  byId("blind").hidden = Boolean(image.source);
  clearBox();
  if (!image.source) return;
  const {width, height, source} = image;
  const scale = Math.min(1, FINE / Math.max(width, height));
  drawOn(byId("image"), source, [0, 0, width, height], scale);
  byId("image").setAttribute("aria-label", `The image, ${width} by ${height} pixels`);
  byId("frame").style.width = `min(100%, ${HIGHEST * width / height}rem)`;
  byId("frame").style.aspectRatio = `${width} / ${height}`;
}
function sizeText() {
  if (!shown.source) return "";
  const text = `, ${shown.width} \u00d7 ${shown.height} pixels`;
  return Math.max(shown.width, shown.height) > LONGEST ? `${text}, sent smaller` : text;
}

/* Draw a part, [left, top, width, height], of an image on a canvas, scaled. */
function drawOn(canvas, source, [left, top, width, height], scale) {
  canvas.width = Math.max(1, Math.round(scale * width));
  canvas.height = Math.max(1, Math.round(scale * height));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.fillStyle = BACKDROP;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(source, left, top, width, height, 0, 0, canvas.width, canvas.height);
}

/* Send the image, or the part in the box. */
async function sendShown(controller) {
  const {file, name} = shown;
  const body = await encoded();
  if (isLatest(controller)) await ask(controller, body ?? file, name);
}
/* Return the part of the image to send; null if the file is sent as it is. */
async function encoded() {
  const {source, width, height, file} = shown;
  const part = box ? context() : [0, 0, width, height];
  const longest = Math.max(part[2], part[3]);
  if (!source || (file && !box && longest <= LONGEST && READ.includes(file.type))) return null;
  const canvas = make("canvas", {});
  drawOn(canvas, source, part, Math.min(1, LONGEST / longest));
  return toBlob(canvas);
}
function toBlob(canvas) {
  const type = canvas.width * canvas.height > EXACT ? "image/jpeg" : "image/png";
  return new Promise((done) => canvas.toBlob(done, type, 0.92));
}
