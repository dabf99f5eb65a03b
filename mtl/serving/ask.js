/* Send an example to the server. A newer example replaces an older one without an answer. */
const PATIENCE = 30_000;  // milliseconds until a request is given up
const AGAIN = 1000;  // milliseconds until a busy server is asked once more
const SLOW = 150;  // milliseconds until the page shows that it waits: most answers are faster
const BUSY = [429, 503];
let latest = null;  // the AbortController of the newest example
let sent = null;  // the body that was sent last, and its name

/* An error whose message is for the user. */
class Fault extends Error {}

/* Start with a new example: its requests have the returned controller. */
function begin() {
  if (latest) latest.abort();
  latest = new AbortController();
  hideFault();
  showWaiting(false);
  return latest;
}
function isLatest(controller) { return controller === latest; }

/* Send a body, and show the answer; name: of the example, for errors. */
async function ask(controller, body, name) {
  sent = {body, name};
  const waits = setTimeout(() => { if (isLatest(controller)) showWaiting(true); }, SLOW);
  const late = setTimeout(() => controller.abort(), PATIENCE);
  try {
    const answer = await answered(body, controller.signal);
    if (isLatest(controller)) showAnswer(answer);
  } catch (error) {
    if (!isLatest(controller)) return;
    if (error instanceof Fault) showFault(named(error.message, name), error.again);
    else if (controller.signal.aborted) showFault("The server does not answer in time.", true);
    else showFault("The server does not answer. Check that it is running.", true);
  } finally {
    clearTimeout(waits);
    clearTimeout(late);
    if (isLatest(controller)) showWaiting(false);
  }
}

async function answered(body, signal) {
  let response = await post(body, signal);
  if (BUSY.includes(response.status)) {
    announce("The server is busy. Trying again.");
    await new Promise((done) => setTimeout(done, AGAIN));
    response = await post(body, signal);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok && (answer.tasks || answer.digits)) return answer;
  const status = `The server answered with the status ${response.status}.`;
  const fault = new Fault(answer.error || status);
  fault.again = response.status >= 500 || BUSY.includes(response.status);
  if (BUSY.includes(response.status)) fault.message = `The server is busy: ${fault.message}`;
  throw fault;
}
/* The address is relative, for a proxy that adds a prefix to it. */
function post(body, signal) {
  const headers = typeof body === "string" ? {"Content-Type": "application/json"} : {};
  return fetch("predict?seen=1", {method: "POST", body, headers, signal});
}
/* The server counts the images of a request; here the image has a name. */
function named(message, name) { return message.replace(/^image 0(?=:)/, () => name); }

function showWaiting(waits) {
  byId("waiting").hidden = !waits;
  byId("answer").classList.toggle("waits", waits);
  byId("answer").setAttribute("aria-busy", String(waits));
  if (waits) announce(byId("waiting").textContent);
}
function announce(text) { byId("status").textContent = text; }

function showFault(message, again = false) {
  clearAnswer();
  byId("fault").textContent = message;
  byId("again").hidden = !again;
  byId("error").hidden = false;
}
function hideFault() { byId("error").hidden = true; }

byId("again").addEventListener("click", () => ask(begin(), sent.body, sent.name));
