"use strict";

// Alpine's build for a strict Content-Security-Policy knows no globals: what a template names is
// registered here.
document.addEventListener("alpine:init", () => {
  Alpine.data("theme", () => ({
    openModal: false,
    filterOpen: false,
    openAllApplications: false,
    adminTheme: Alpine.$persist("auto").as("adminTheme"),
    init() {
      ["openModal", "filterOpen", "openAllApplications"].forEach((name) =>
        this.$watch(name, (open) => document.body.classList.toggle("overflow-hidden", open))
      );
    },
    switchTheme(theme) {
      this.adminTheme = theme;
    },
    isTheme(theme) {
      return this.adminTheme === theme ? "true" : "false";
    },
    themeBindings: {
      ["x-bind:class"]() {
        const system = window.matchMedia("(prefers-color-scheme: dark)").matches;
        const dark = this.adminTheme === "dark" || (this.adminTheme === "auto" && system);
        return { dark: dark, light: !dark };
      },
    },
  }));

  Alpine.data("shell", () => ({
    activeTab: "",
    sidebarMobileOpen: false,
    sidebarDesktopOpen: Alpine.$persist(true).as("sidebarDesktopOpen"),
    init() {
      const first = this.$el.dataset.firstTab;
      if (first) {
        this.activeTab = window.getCurrentTab() || first;
      }
      document.addEventListener("focusin", (event) => this.closeWithout(event.target));
    },
    openMenu() {
      this.sidebarMobileOpen = true;
      this.$nextTick(() => document.querySelector("#menu a")?.focus());
    },
    closeMenu() {
      if (this.sidebarMobileOpen) {
        this.sidebarMobileOpen = false;
        document.getElementById("menu-opener")?.focus();
      }
    },
    openFilter() {
      this.filterOpen = true;
      this.$nextTick(() => document.querySelector("#changelist-filter button")?.focus());
    },
    closeFilter() {
      this.filterOpen = false;
      document.getElementById("filter-opener")?.focus();
    },
    // The innermost open panel closes, and what opened it has the focus again.
    escape() {
      const user = document.querySelector(".sw-user[open]");
      if (user) {
        user.open = false;
        user.querySelector("summary").focus();
      } else if (this.filterOpen) {
        this.closeFilter();
      } else {
        this.closeMenu();
      }
    },
    // A panel that the focus has left would lie over what has it now.
    closeWithout(focused) {
      const user = document.querySelector(".sw-user[open]");
      if (user && !user.contains(focused)) {
        user.open = false;
      }
      this.sidebarMobileOpen = this.sidebarMobileOpen && Boolean(focused.closest("#menu"));
      this.filterOpen = this.filterOpen && Boolean(focused.closest("#changelist-filter"));
    },
  }));

  Alpine.data("changeForm", () => ({
    get address() {
      const tab = this.activeTab && this.activeTab !== "general" ? "#" + this.activeTab : "";
      return window.location.pathname + window.location.search + tab;
    },
  }));

  if (window.searchForm) {
    Alpine.data("searchForm", window.searchForm);
  }
});

// A button that copies: `data-copy` holds the text, `data-copy-from` the id of what holds it, or
// `data-copy-address` an address relative to the page's.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from], [data-copy-address]");
  if (!button) {
    return;
  }
  await navigator.clipboard.writeText(copied(button));
  const before = button.textContent;
  button.textContent = "Copied";
  window.setTimeout(() => (button.textContent = before), 1500);
});

function copied(button) {
  const { copy, copyFrom, copyAddress } = button.dataset;
  if (copyAddress !== undefined) {
    return new URL(copyAddress, window.location.href).href;
  }
  const source = copyFrom && document.getElementById(copyFrom);
  return source ? source.textContent.trim() : copy;
}

// A select marked `data-go` sends its form as soon as another option is chosen.
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-go]")) {
    event.target.form.requestSubmit();
  }
});

// Moments are written in UTC by the server. The page shows them in the viewer's zone, and the exact
// moment in UTC on hover.
document.addEventListener("DOMContentLoaded", () => {
  localTimes(document);
  document.querySelectorAll("[data-live]:not([data-topic])").forEach(follow);
});

function localTimes(root) {
  root.querySelectorAll("time[datetime]").forEach((element) => {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) {
      return;
    }
    const here = inZone(moment);
    element.title = `${moment.toISOString().replace("T", " ").slice(0, 19)} UTC · ${here} here`;
    if (element.hasAttribute("data-moment")) {
      element.textContent = here;
    }
  });
}

// 2026-11-24 14:05 GMT+1, in the zone of the viewer's browser.
function inZone(moment) {
  const parts = new Intl.DateTimeFormat("en-GB", {
    year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
    hourCycle: "h23", timeZoneName: "short",
  }).formatToParts(moment);
  const of = Object.fromEntries(parts.map((part) => [part.type, part.value]));
  return `${of.year}-${of.month}-${of.day} ${of.hour}:${of.minute} ${of.timeZoneName}`;
}

// A part marked `data-live="SECONDS"` is fetched again until the server stops marking it.
function follow(element) {
  window.setTimeout(async () => {
    if ((await refresh(element)) && element.dataset.live) {
      follow(element);
    }
  }, Number(element.dataset.live) * 1000);
}

// Fetches a part anew; whether it may be asked for again.
async function refresh(element) {
  const headers = { "X-Slipway-Part": element.id };
  const answer = await fetch(window.location.href, { headers }).catch(() => null);
  if (answer && answer.redirected) {
    return false;
  }
  if (!answer || !answer.ok) {
    // The server or its database starts again: what is shown goes on afterwards.
    return true;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(element.id);
  if (!fresh) {
    // It has become another part, such as a report: the page begins anew.
    window.location.reload();
    return false;
  }
  morph(element, fresh);
  localTimes(element);
  return true;
}

// Takes over what differs and leaves every other node in its place: with the focus, and open.
function morph(old, fresh) {
  if (old.nodeName !== fresh.nodeName) {
    old.replaceWith(document.adoptNode(fresh));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) {
      old.data = fresh.data;
    }
    return;
  }
  for (const name of new Set([...old.getAttributeNames(), ...fresh.getAttributeNames()])) {
    const value = fresh.getAttribute(name);
    if (value === null && name !== "open") {
      old.removeAttribute(name);
    } else if (value !== null && value !== old.getAttribute(name)) {
      old.setAttribute(name, value);
    }
  }
  const before = [...old.childNodes], after = [...fresh.childNodes];
  after.forEach((child, at) => {
    if (before[at]) {
      morph(before[at], child);
    } else {
      old.append(document.adoptNode(child));
    }
  });
  before.slice(after.length).forEach((child) => child.remove());
}
