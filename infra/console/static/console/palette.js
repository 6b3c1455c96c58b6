"use strict";

// The search palette: Ctrl-K (or Cmd-K) opens it on every page. A combobox whose list is filled by
// /api/search/; without this file the link in the header leads to the search page.
(() => {
  const WAIT_MS = 120;
  let dialog = null, field = null, list = null, told = null, timer = 0, asking = null, opener = null;

  function made(tag, attributes = {}, text = "") {
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.textContent = text;
    return element;
  }

  function build() {
    dialog = made("dialog", { class: "sw-palette", "aria-label": "Search" });
    field = made("input", {
      type: "text", role: "combobox", class: "sw-palette-field", maxlength: "200", dir: "auto",
      placeholder: "Checkpoint, promotion, suite, partner, finding, request id, page…",
      "aria-label": "Search", "aria-expanded": "false", "aria-controls": "palette-list",
      "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false",
    });
    list = made("div", { role: "listbox", id: "palette-list", class: "sw-palette-list", "aria-label": "Found" });
    told = made("p", { class: "sw-palette-told", role: "status" });
    const foot = made("p", { class: "sw-palette-foot", "aria-hidden": "true" }, "↑ ↓ choose · Enter open · Esc close");
    dialog.append(field, told, list, foot);
    document.body.append(dialog);
    field.addEventListener("input", later);
    dialog.addEventListener("keydown", pressed);
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", closed);
  }

  function open() {
    opener = document.activeElement;
    if (!dialog) {
      build();
    }
    field.value = "";
    dialog.showModal();
    field.focus();
    ask();
  }

  function closed() {
    window.clearTimeout(timer);
    asking?.abort();
    opener?.focus();
  }

  function later() {
    window.clearTimeout(timer);
    timer = window.setTimeout(ask, WAIT_MS);
  }

  async function ask() {
    asking?.abort();
    const mine = (asking = new AbortController());
    const address = document.querySelector("[data-palette]").dataset.palette;
    const query = new URLSearchParams({ q: field.value });
    const headers = { Accept: "application/json" };
    try {
      const answer = await fetch(`${address}?${query}`, { headers, signal: mine.signal });
      if (!answer.ok) {
        throw new Error(answer.status === 401 || answer.status === 403
          ? "You are signed out: reload the page." : "Search does not answer: try again.");
      }
      show((await answer.json()).hits);
    } catch (error) {
      if (!mine.signal.aborted) {
        show([]);
        told.textContent = error instanceof TypeError ? "Slipway does not answer: try again." : error.message;
      }
    }
  }

  function show(hits) {
    list.replaceChildren();
    let group = null, kind = "";
    hits.forEach((hit, at) => {
      if (hit.kind !== kind) {
        kind = hit.kind;
        group = made("div", { role: "group", "aria-label": kind });
        group.append(made("div", { class: "sw-palette-kind", "aria-hidden": "true" }, kind));
        list.append(group);
      }
      group.append(option(hit, at));
    });
    field.setAttribute("aria-expanded", hits.length ? "true" : "false");
    told.textContent = !hits.length && field.value.trim() ? "Nothing is called that." : "";
    told.dataset.n = hits.length;
    if (hits.length) {
      choose(0);
    } else {
      field.removeAttribute("aria-activedescendant");
    }
  }

  function option(hit, at) {
    const row = made("div", { role: "option", id: `palette-${at}`, class: "sw-palette-hit", "aria-selected": "false" });
    row.dataset.address = hit.address;
    row.append(made("b", { dir: "auto" }, hit.title));
    if (hit.detail) {
      row.append(made("span", { dir: "auto" }, hit.detail));
    }
    row.addEventListener("click", (event) => go(row, event.ctrlKey || event.metaKey));
    row.addEventListener("mousemove", () => choose(options().indexOf(row)));
    return row;
  }

  function options() {
    return [...list.querySelectorAll("[role=option]")];
  }

  function chosen() {
    return list.querySelector("[aria-selected=true]");
  }

  function choose(at) {
    const all = options();
    const next = all[(at + all.length) % all.length];
    if (!next || next === chosen()) {
      return;
    }
    chosen()?.setAttribute("aria-selected", "false");
    next.setAttribute("aria-selected", "true");
    next.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", next.id);
  }

  function go(row, elsewhere) {
    if (elsewhere) {
      window.open(row.dataset.address, "_blank", "noopener");
      return;
    }
    opener = null;
    dialog.close();
    window.location.assign(row.dataset.address);
  }

  function pressed(event) {
    const at = options().indexOf(chosen());
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 5, PageUp: Math.max(0, at - 5) };
    if (event.key in steps) {
      choose(event.key === "PageDown" ? Math.min(steps.PageDown, options().length - 1) : steps[event.key]);
      event.preventDefault();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const row = chosen();
      if (row) {
        go(row, event.ctrlKey || event.metaKey);
      }
    }
    // What is typed here is no shortcut of the page below.
    event.stopPropagation();
  }

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      if (!document.querySelector("[data-palette]")) {
        return;
      }
      event.preventDefault();
      if (!dialog?.open) {
        open();
      }
    }
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-palette]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      open();
    }
  });
})();
