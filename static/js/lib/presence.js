// Tells the server that somebody is at the page: a page that lives on by its socket and by parts
// that refresh themselves looks idle otherwise, and its session ends.
const TELL_EVERY_MS = 5 * 60 * 1000;
const RETRY_MS = 30 * 1000;
const INPUTS = ["pointerdown", "keydown", "wheel", "touchstart"];

let toldAt = performance.now();

async function tell(address) {
  toldAt = performance.now();
  const token = JSON.parse(document.body.getAttribute("hx-headers:inherited"))["X-CSRFToken"];
  try {
    const response = await fetch(address, {
      method: "POST",
      headers: { "X-CSRFToken": token },
      credentials: "same-origin",
      redirect: "manual",
    });
    // Led elsewhere: the session has ended. The log-in page says why.
    if (response.type === "opaqueredirect") location.reload();
  } catch {
    // No connection: the banner says so, and an input in half a minute tries again.
    toldAt -= TELL_EVERY_MS - RETRY_MS;
  }
}

const address = document.body.dataset.present;
if (address !== undefined) {
  const noticed = (event) => {
    if (event.isTrusted && performance.now() - toldAt >= TELL_EVERY_MS) tell(address);
  };
  for (const name of INPUTS) document.addEventListener(name, noticed, { capture: true, passive: true });
}
