"use strict";

// A button that copies: `data-copy-from` holds the id of what holds the text.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-from]");
  if (!button) {
    return;
  }
  const source = document.getElementById(button.dataset.copyFrom);
  await navigator.clipboard.writeText(source.textContent.trim());
  const before = button.textContent;
  button.textContent = "Copied";
  window.setTimeout(() => (button.textContent = before), 1500);
});

// Moments are written in UTC by the server; hovering shows the same moment in the viewer's zone.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("time[datetime]").forEach((element) => {
    const moment = new Date(element.dateTime);
    element.title = `${moment.toLocaleString()} here · ${element.dateTime}`;
  });
});
