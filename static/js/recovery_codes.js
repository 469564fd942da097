// New recovery codes: on paper.
document.getElementById("print")?.addEventListener("click", () => window.print());
