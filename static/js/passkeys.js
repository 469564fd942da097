// Passkeys: asks the server what to sign, lets the browser sign it, and sends the answer back.

const fromBase64 = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const toBase64 = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
const withIds = (credentials = []) => credentials.map((each) => ({ ...each, id: fromBase64(each.id) }));

async function make(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: fromBase64(options.challenge),
      user: { ...options.user, id: fromBase64(options.user.id) },
      excludeCredentials: withIds(options.excludeCredentials),
    },
  });
  return answerOf(made, {
    attestationObject: toBase64(made.response.attestationObject),
    transports: made.response.getTransports?.() ?? [],
  });
}

async function use(options) {
  const used = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: fromBase64(options.challenge),
      allowCredentials: withIds(options.allowCredentials),
    },
  });
  const { authenticatorData, signature, userHandle } = used.response;
  return answerOf(used, {
    authenticatorData: toBase64(authenticatorData),
    signature: toBase64(signature),
    userHandle: userHandle ? toBase64(userHandle) : null,
  });
}

function answerOf(credential, response) {
  return {
    id: credential.id,
    rawId: toBase64(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: { ...response, clientDataJSON: toBase64(credential.response.clientDataJSON) },
  };
}

// Sends JSON; returns what the server says, or null where it leads to another page.
async function send(url, values) {
  const response = await fetch(url, {
    method: "POST",
    credentials: "same-origin",
    headers: {
      "Content-Type": "application/json",
      "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
    },
    body: JSON.stringify(values),
  });
  if (response.redirected) {
    window.location.assign(response.url);
    return null;
  }
  if (response.status === 429) throw new Error("Too many tries. Wait a minute, then try again.");
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(told.message ?? "The server did not answer. Try again.");
  return told;
}

const WORDS = {
  NotAllowedError: "The passkey was not used: it was cancelled or took too long. Try again.",
  InvalidStateError: "This passkey is added already.",
  SecurityError: "Passkeys do not work at this address.",
};

async function act(box) {
  const isNew = box.dataset.passkey === "add";
  const options = await send(box.dataset.begin, {});
  if (!options) return;
  const answer = await (isNew ? make : use)(options);
  const told = await send(box.dataset.complete, {
    answer,
    name: document.getElementById("passkey-name")?.value,
    is_trusted: document.querySelector("[data-passkey-trust]")?.checked ?? false,
  });
  if (told) window.location.assign(told.next);
}

for (const box of document.querySelectorAll("[data-passkey]")) {
  const start = box.querySelector("[data-passkey-start]");
  const message = box.querySelector("[data-passkey-message]");
  const tell = (words) => {
    message.textContent = words;
    message.hidden = !words;
  };
  if (!window.PublicKeyCredential) {
    start.disabled = true;
    tell("This browser has no passkeys.");
    continue;
  }
  const run = async () => {
    start.disabled = true;
    tell("");
    try {
      await act(box);
    } catch (error) {
      tell(WORDS[error.name] ?? error.message);
    } finally {
      start.disabled = false;
    }
  };
  start.addEventListener("click", run);
  // Enter in the name's field.
  if (box instanceof HTMLFormElement) {
    box.addEventListener("submit", (event) => {
      event.preventDefault();
      run();
    });
  }
}
