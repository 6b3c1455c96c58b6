"use strict";

// A part marked `data-topic="run:ID"` shows facts that the server streams: text into
// `[data-fact="name"]`, the width of `[data-fact-width="name"]`. What changes its buttons too
// (`data-state`) has the part fetched anew. Without a stream the part is asked for by itself.
document.addEventListener("DOMContentLoaded", () => {
  const parts = [...document.querySelectorAll("[data-topic]")];
  if (parts.length) {
    watchLive(parts);
  }
});

function watchLive(parts) {
  const over = new Set();
  let source = null;

  function close() {
    source?.close();
    source = null;
  }

  function open() {
    if (source || document.hidden || over.size === parts.length) {
      return;
    }
    const topics = new Set(parts.map((part) => `topic=${encodeURIComponent(part.dataset.topic)}`));
    source = new EventSource(`/console/live/?${[...topics].join("&")}`);
    source.addEventListener("facts", (event) => tell(JSON.parse(event.data)));
    source.addEventListener("gone", close);
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) {
        close();
        parts.filter((part) => part.dataset.live).forEach(follow);
      }
    });
  }

  function tell(news) {
    for (const part of parts) {
      const facts = news[part.dataset.topic];
      if (facts) {
        showFacts(part, facts);
        if (facts.is_over) {
          over.add(part);
        }
      }
    }
    if (over.size === parts.length) {
      close();
    }
  }

  // Browsers open few connections to one place: a page that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  open();
}

function showFacts(part, facts) {
  for (const element of part.querySelectorAll("[data-fact]")) {
    const value = facts[element.dataset.fact];
    if (value !== undefined && element.textContent !== String(value)) {
      element.textContent = value;
    }
  }
  for (const bar of part.querySelectorAll("[data-fact-width]")) {
    bar.style.width = `${facts[bar.dataset.factWidth]}%`;
    bar.parentElement.setAttribute("aria-valuenow", facts.done);
  }
  if (part.dataset.state !== undefined && part.dataset.state !== facts.state) {
    part.dataset.state = facts.state;
    refresh(part);
  }
}
