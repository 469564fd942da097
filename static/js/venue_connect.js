// Shows the papers that the chosen rules ask for.
const rules = document.getElementById("id_profile");

function choose() {
  for (const field of document.querySelectorAll("[data-needed]")) {
    field.closest("div").hidden = !field.dataset.needed.split(" ").includes(rules.value);
  }
}

if (rules) {
  rules.addEventListener("change", choose);
  addEventListener("pageshow", choose);
  choose();
}
