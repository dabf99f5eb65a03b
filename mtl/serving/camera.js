/* Take a photograph with the camera of the browser, or else with the program of the phone. */
const REASONS = {
  NotAllowedError: "The browser does not allow the camera. Allow it, or choose an image.",
  NotFoundError: "There is no camera. Choose an image.",
  NotReadableError: "Another program uses the camera. Close it, or choose an image.",
};
let stream = null;  // of the camera while it is on
let opening = 0;  // counts, because the user may leave before the camera is on

async function openCamera() {
  if (stream) { closeCamera(); return; }
  // Browsers have no camera for a page from another machine without HTTPS.
  if (!navigator.mediaDevices?.getUserMedia) { byId("photo").click(); return; }
  const own = ++opening, wanted = {facingMode: "environment", width: {ideal: 1920}};
  begin();
  try {
    const opened = await navigator.mediaDevices.getUserMedia({video: wanted, audio: false});
    if (own !== opening) { stop(opened); return; }
    stream = opened;
  } catch (error) {
    if (own === opening) showFault(REASONS[error.name] || "The camera does not start.");
    return;
  }
  clearAnswer();
  setMode("live");
  byId("video").srcObject = stream;
  await byId("video").play().catch(() => {});
  byId("shoot").focus();
}
function stop(opened) { opened.getTracks().forEach((track) => track.stop()); }

/* Turn the camera off, also while it starts. */
function stopCamera() {
  opening++;
  if (!stream) return;
  stop(stream);
  stream = byId("video").srcObject = null;
}
function closeCamera() {
  setMode("empty");
  byId("camera").focus();
}

/* Take the image of this moment. The guide on it becomes the box. */
async function shoot() {
  const video = byId("video"), width = video.videoWidth, height = video.videoHeight;
  if (!width) return;
  const controller = begin();
  const canvas = make("canvas", {});
  drawOn(canvas, video, [0, 0, width, height], 1);
  const guide = byId("guide")?.getBoundingClientRect(), whole = video.getBoundingClientRect();
  showImage({source: canvas, width, height, file: null, name: "the photograph"});
  byId("note").textContent = `Photograph, ${width} \u00d7 ${height} pixels`;
  if (guide) {
    const scale = width / whole.width;
    setBox([(guide.left - whole.left) * scale, (guide.top - whole.top) * scale,
      guide.width * scale, guide.height * scale]);
  }
  byId("camera").focus();
  await sendShown(controller);
}
byId("camera").addEventListener("click", openCamera);
byId("shoot").addEventListener("click", shoot);
byId("close").addEventListener("click", closeCamera);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && stream) closeCamera();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden && stream) closeCamera();
});
