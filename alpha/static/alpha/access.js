"use strict";

// A link marked `data-dialog="ID"` opens that part of its page over this one. Without a script, or
// with a key that asks for a new tab, it leads to the page itself.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) {
    return;
  }
  event.preventDefault();
  const answer = await fetch(link.href).catch(() => null);
  const text = answer && answer.ok && !answer.redirected ? await answer.text() : "";
  const page = new DOMParser().parseFromString(text, "text/html");
  const part = page.getElementById(link.dataset.dialog);
  if (!part) {
    window.location.assign(link.href);
    return;
  }
  show(document.adoptNode(part), link);
});

function show(part, opener) {
  const dialog = document.createElement("dialog");
  dialog.className = "sw-dialog";
  const close = document.createElement("button");
  close.type = "button";
  close.className = "sw-button sw-button-small sw-dialog-close";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.append(close, part);
  const title = part.querySelector("h1");
  if (title) {
    title.id = "dialog-title";
    dialog.setAttribute("aria-labelledby", title.id);
  }
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}
