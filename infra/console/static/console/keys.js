"use strict";

// Keys of a page: what is marked `data-key="x"` is pressed, followed or opened by that key; where
// rows are marked `data-row`, j and k walk them. Nothing is taken while somebody writes, and a box turns it off.
(() => {
  const OFF = "slipwayKeysOff";
  const rows = () => [...document.querySelectorAll("[data-row]")];

  function isOff() {
    return window.localStorage.getItem(OFF) === "1";
  }

  function writes(element) {
    return element.closest("input:not([type=checkbox]), select, textarea, [contenteditable]");
  }

  function walk(step) {
    const all = rows();
    const at = all.indexOf(document.activeElement);
    const next = at === -1 ? (step > 0 ? 0 : all.length - 1) : at + step;
    all[Math.max(0, Math.min(all.length - 1, next))]?.focus();
  }

  function open(details) {
    details.open = true;
    details.scrollIntoView({ block: "nearest" });
    details.querySelector("input:not([type=hidden]), select, textarea, button")?.focus();
  }

  function work(element) {
    if (element.matches("details")) {
      open(element);
    } else {
      element.click();
    }
  }

  // In a list, a key for one row leads to that row's own page, where its form opens.
  function onRow(key) {
    const row = document.activeElement.closest("[data-row]");
    const keys = document.querySelector("[data-row-keys]")?.dataset.rowKeys || "";
    if (row && keys.includes(key)) {
      window.location.assign(`${row.href}#key-${key}`);
      return true;
    }
    return false;
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target) || isOff()) {
      return;
    }
    const walks = (event.key === "j" || event.key === "k") && rows().length > 0;
    if (walks) {
      walk(event.key === "j" ? 1 : -1);
    } else if (!onRow(event.key)) {
      const found = [...document.querySelectorAll("[data-key]")];
      const element = found.find((one) => one.dataset.key === event.key);
      if (!element) {
        return;
      }
      work(element);
    }
    event.preventDefault();
  }

  document.addEventListener("keydown", pressed);
  document.addEventListener("DOMContentLoaded", () => {
    const box = document.getElementById("keys-on");
    if (box) {
      box.checked = !isOff();
      box.addEventListener("change", () =>
        window.localStorage.setItem(OFF, box.checked ? "0" : "1")
      );
    }
    const asked = window.location.hash.match(/^#key-([a-z])$/);
    const element = asked && document.querySelector(`[data-key="${asked[1]}"]`);
    if (element && element.matches("details")) {
      open(element);
    } else if (element) {
      element.focus();
    }
  });
})();
