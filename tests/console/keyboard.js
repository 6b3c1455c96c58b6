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
  let root = "body";
  const actions = () => [...document.querySelector(root).querySelectorAll(ACTIONS)].filter(can);
  const expected = new Set(), reached = new Set(), hidden = new Set(), complaints = [];
  let last = null, pressed = null, clicked = null, n_stays = 0, isOver = false;

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
      // The middle of what is on the screen: some are taller than it.
      const x = (Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2;
      const y = (Math.max(box.top, 0) + Math.min(box.bottom, innerHeight)) / 2;
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
  }

  // The page scrolls to what has the focus with its next frame, which a quick walk may outrun.
  async function stillHidden() {
    const found = [];
    for (const element of hidden) {
      element.focus();
      await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
      if (!isInSight(element)) {
        found.push(element);
      }
    }
    return found;
  }

  // A quick walk takes its notes as the focus moves. It scrolls only after `focusin`.
  const came = ({ target }) => {
    if (isOver) {
      return;
    }
    if (target.closest(root) && (!reached.has(target) || target === last)) {
      visit(target);
      last = target;
    } else {
      isOver = true;
    }
  };
  // The skip link is in sight for as long as it has the focus: `stop` has looked at it.
  const left = ({ target }) => isOver || target.matches(".sw-skip") || look(target);
  const look = (element) => isInSight(element) || hidden.add(element);

  // The key that is to be pressed here: "" for none. The menu's links are alike on every page.
  function keyFor(element) {
    if (element.matches("#menu li:not(:first-child) a")) {
      return "";
    }
    if (element.matches("a[href]") || (element.matches("summary") && !element.parentElement.open)) {
      return "Enter";
    }
    return element.matches("button, input[type=submit]") ? "Space" : "";
  }

  window.keyboard = {
    start([inside, isQuick]) {
      root = inside;
      isOver = false;
      expected.clear(), reached.clear(), hidden.clear(), (complaints.length = 0);
      last = pressed = clicked = null;
      add.call(window, "click", guard, true);
      actions().forEach((e) => expected.add(e));
      if (root === "body") {
        document.activeElement.blur();
      } else if (!document.activeElement.matches(root)) {
        visit((last = document.activeElement));
      }
      if (isQuick) {
        add.call(document, "focusin", came);
        add.call(document, "focusout", left);
      }
    },
    isOver: () => isOver,
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
      if (reached.has(element) || !element.closest(root)) {
        return null;
      }
      visit(element);
      look(element);
      last = element;
      const key = keyFor(element);
      pressed = key ? element : null;
      return key;
    },
    async found() {
      window.removeEventListener("click", guard, true);
      document.removeEventListener("focusin", came);
      document.removeEventListener("focusout", left);
      const missed = [...expected].filter((e) => !reached.has(e));
      const ordered = [...document.querySelectorAll("[tabindex]")].filter((e) => e.tabIndex > 0);
      return [
        reached.size,
        [
          ...complaints,
          ...(await stillHidden()).map((e) => `focused out of sight: ${named(e)}`),
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
      const told = (e) => (listening.has(e) && !e.querySelector(ACTIONS))
        || e.hasAttribute("onclick")
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
