"use strict";

// One key a vote: 1 to 4 press the choices. A key that is held down, or pressed with another, or
// typed into the comment, is no vote; neither is one while the first is on its way.
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) {
    return;
  }
  if (event.target.closest("input, textarea, select, [contenteditable]")) {
    return;
  }
  document.querySelector(`#side-by-side [data-key="${CSS.escape(event.key)}"]`)?.click();
});

document.querySelector("#side-by-side")?.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) {
    event.preventDefault();
  }
  event.target.dataset.sent = "yes";
});
