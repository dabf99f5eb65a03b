/* Where images come from: files that are chosen, dropped or pasted, and the example. */
function takeFirst(files) {
  if (!files.length) return;
  take(files[0], files.length > 1 ? `, the first of ${files.length}` : "");
}
byId("choose").addEventListener("click", () => byId("file").click());
for (const id of ["file", "photo"]) {
  byId(id).addEventListener("change", () => {
    takeFirst([...byId(id).files]);
    byId(id).value = "";  // the same file may be chosen again
  });
}

/* -- drop -- */
let inside = 0;  // elements of the page that the dragged file has entered, but not left
function hasFile(event) {
  const types = event.dataTransfer.types;
  return types.includes("Files") || types.includes("text/uri-list");
}
function setDropping(drops) {
  inside = drops ? inside : 0;
  document.body.classList.toggle("dropping", drops);
}
document.addEventListener("dragenter", (event) => {
  if (!hasFile(event)) return;
  event.preventDefault();
  inside++;
  setDropping(true);
});
document.addEventListener("dragleave", () => { if (--inside <= 0) setDropping(false); });
document.addEventListener("dragover", (event) => { if (hasFile(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  if (!hasFile(event)) return;
  event.preventDefault();
  setDropping(false);
  const files = [...event.dataTransfer.files];
  if (files.length) takeFirst(files);
  else { begin(); showFault("This is a link, not an image. Copy the image, and paste it here."); }
});

/* -- paste -- */
document.addEventListener("paste", (event) => {
  if (event.target.matches?.("input, textarea")) return;
  const files = [...event.clipboardData.files];
  event.preventDefault();
  if (files.length) takeFirst(files);
  else { begin(); showFault("There is no image in the clipboard. Copy an image first."); }
});

/* -- the example: a house number on an enamel plate -- */
const EXAMPLE = "482";
function paintSign(canvas) {
  const pen = canvas.getContext("2d"), {width, height} = canvas;
  pen.fillStyle = "#b9a48c";
  pen.fillRect(0, 0, width, height);
  for (let y = 0, odd = 0; y < height; y += 40, odd = 1 - odd) {
    for (let x = -50 * odd; x < width; x += 100) {
      pen.fillStyle = ["#a8512f", "#9c4a2b", "#b05a36"][(x / 50 + y / 40 + 2) % 3];
      pen.fillRect(x + 2, y + 2, 96, 36);
    }
  }
  pen.translate(width / 2, height / 2);
  pen.rotate(-0.03);
  pen.shadowColor = "rgba(0, 0, 0, .5)";
  pen.shadowBlur = 12;
  pen.shadowOffsetY = 5;
  paintPlate(pen, "#f4f4ee", 330, 150, 14);
  pen.shadowColor = "transparent";
  paintPlate(pen, "#173f8a", 312, 132, 9);
  pen.fillStyle = "#f4f4ee";
  pen.font = "700 120px 'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(EXAMPLE, 0, 6, 280);
}
/* Paint a rectangle with round corners about the origin. */
function paintPlate(pen, colour, width, height, round) {
  const inner = [round - width / 2, round - height / 2, width - 2 * round, height - 2 * round];
  pen.fillStyle = pen.strokeStyle = colour;
  pen.lineJoin = "round";
  pen.lineWidth = 2 * round;
  pen.strokeRect(...inner);
  pen.fillRect(...inner);
}
if (byId("example")) {
  paintSign(byId("sign"));
  byId("example").addEventListener("click", async () => {
    const controller = begin();
    const blob = await new Promise((done) => byId("sign").toBlob(done));
    if (isLatest(controller)) take(new File([blob], "example.png", {type: "image/png"}));
  });
}
