// Buttons that copy the text of an element: <button data-copy="id of the element">.
const SHOWN_MS = 2000;

async function copy(button) {
  const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
  const before = button.dataset.words ?? button.textContent;
  button.dataset.words = before;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without https or permission there is no clipboard: select it for the keyboard.
    getSelection()?.selectAllChildren(document.getElementById(button.dataset.copy));
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => {
    button.textContent = before;
  }, SHOWN_MS);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
