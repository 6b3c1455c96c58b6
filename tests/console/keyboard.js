"use strict";
// Runs before the page's own scripts, so that it sees every listener that they add.
(() => {
  const MOUSE = new Set(["click", "dblclick", "mousedown", "mouseup", "pointerdown", "pointerup"]);
  const NATIVE = "a[href], button, summary, input:not([type=hidden]), select, textarea";
  const ACTIONS = `${NATIVE}, [tabindex]:not([tabindex="-1"])`;
  const listening = new Set();
  const add = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, ...rest) {
    if (MOUSE.has(type) && this instanceof Element) {
      listening.add(this);
    }
    return add.call(this ?? window, type, ...rest);
  };

  const named = (e) => e.outerHTML.replace(/\s+/g, " ").slice(0, 140);
  const shown = (e) => e.checkVisibility({ visibilityProperty: true });
  const can = (e) => !e.disabled && !e.closest("[inert]") && shown(e);
  const actions = () => [...document.querySelectorAll(ACTIONS)].filter(can);
  const expected = new Set(), reached = new Set(), complaints = [];
  let last = null, pressed = null, clicked = null, n_stays = 0;

  // A link must not be followed nor a form sent while the page is walked; a summary opens.
  const guard = (event) => {
    clicked = event.target;
    if (!event.target.closest("summary")) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  };

  function isMarked(element) {
    const outlined = (e) => {
      const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(e);
      const clear = /^transparent$|, 0\)$|\/ 0\)$/.test(outlineColor);
      return outlineStyle !== "none" && parseFloat(outlineWidth) >= 1 && !clear;
    };
    // A field's frame may carry its mark.
    return [element, element.parentElement, element.parentElement?.parentElement]
      .some((e) => e && outlined(e));
  }

  function isInSight(element) {
    return [...element.getClientRects()].some((box) => {
      const x = box.left + box.width / 2, y = box.top + box.height / 2;
      const top = document.elementFromPoint(x, y);
      return top && (element.contains(top) || top.contains(element) || top.control === element);
    });
  }

  function settle() {
    if (pressed && !(clicked && pressed.contains(clicked))) {
      complaints.push(`the key does nothing: ${named(pressed)}`);
    }
    if (pressed?.matches("summary")) {
      actions().forEach((e) => expected.add(e));
      if (!pressed.parentElement.open) {
        complaints.push(`does not open: ${named(pressed)}`);
      }
    }
    pressed = clicked = null;
  }

  function visit(element) {
    if (last && !(last.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING)
        && element !== actions()[0]) {
      complaints.push(`reached before what is written before it: ${named(element)}`);
    }
    reached.add(element);
    if (!isMarked(element)) {
      complaints.push(`no visible focus: ${named(element)}`);
    }
    if (!isInSight(element)) {
      complaints.push(`focused out of sight: ${named(element)}`);
    }
  }

  // The key that is to be pressed here: "" for none, null where the walk is over.
  function keyFor(element) {
    if (element.matches("a[href]") || (element.matches("summary") && !element.parentElement.open)) {
      return "Enter";
    }
    return element.matches("button, input[type=submit]") ? "Space" : "";
  }

  window.keyboard = {
    start() {
      expected.clear(), reached.clear(), (complaints.length = 0);
      last = pressed = clicked = null;
      add.call(window, "click", guard, true);
      actions().forEach((e) => expected.add(e));
      document.activeElement.blur();
    },
    stop() {
      settle();
      const element = document.activeElement;
      if (!element || element === document.body) {
        last = null;
        return "";
      }
      n_stays = element === last ? n_stays + 1 : 0;
      if (n_stays > 8) {
        complaints.push(`Tab does not leave: ${named(element)}`);
        return null;
      }
      if (n_stays) {
        return ""; // A date's parts are a stop each.
      }
      if (reached.has(element)) {
        return null;
      }
      visit(element);
      last = element;
      const key = keyFor(element);
      pressed = key ? element : null;
      return key;
    },
    found() {
      window.removeEventListener("click", guard, true);
      const missed = [...expected].filter((e) => !reached.has(e));
      const ordered = [...document.querySelectorAll("[tabindex]")].filter((e) => e.tabIndex > 0);
      return [
        reached.size,
        [
          ...complaints,
          ...missed.map((e) => `not reached: ${named(e)}`),
          ...ordered.map((e) => `changes the order of the keyboard: ${named(e)}`),
          ...this.mouseOnly().map((e) => `for the mouse alone: ${e}`),
        ],
      ];
    },
    // The words of each h1, without the badges beside them.
    headings() {
      return [...document.querySelectorAll("h1")].filter(shown).map((e) => {
        const copy = e.cloneNode(true);
        copy.querySelectorAll(".sw-badge").forEach((badge) => badge.remove());
        return copy.textContent.replace(/\s+/g, " ").trim();
      });
    },
    marks() {
      const count = (selector) => document.querySelectorAll(selector).length;
      const names = [...document.querySelectorAll("nav")].map((e) => e.ariaLabel);
      return {
        main: count("main"),
        "h1 in main": count("main h1"),
        menu: count("nav#menu"),
        header: count("header"),
        unnamed: names.some((name) => !name) || new Set(names).size < names.length,
      };
    },
    mouseOnly() {
      // A listener on what holds actions listens to theirs.
      const told = (e) => (listening.has(e) && !e.querySelector(ACTIONS)) || e.hasAttribute("onclick")
        || e.getAttributeNames().some((name) => /^(x-on:|@)(click|mouse|pointer)/.test(name)
          && !name.includes(".outside") && !name.includes(".window"));
      const looks = (e) => shown(e) && getComputedStyle(e).cursor === "pointer";
      // What darkens the page behind a panel: Escape and the panel's own button close it too.
      const isVeil = (e) => e.matches("[aria-hidden=true]:empty");
      return [...document.body.querySelectorAll("*")]
        .filter((e) => (told(e) || looks(e)) && !e.closest(ACTIONS) && !isVeil(e))
        .filter((e) => !e.closest("label")?.control)
        .map(named);
    },
  };
})();
