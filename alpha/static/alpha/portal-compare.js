"use strict";

// Asks and votes with the partner's own key, straight from the browser: the key is sent to /v1 and
// kept nowhere. What the versions said is shown as text, never as markup.
const ask = document.getElementById("ask");
const answers = document.getElementById("answers");
const state = document.getElementById("ask-state");
const vote = document.getElementById("side-by-side");
let session = null;

async function call(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    credentials: "omit",
    headers: {
      authorization: `Bearer ${document.getElementById("ask-key").value.trim()}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
  const said = await answer.json();
  if (!answer.ok) {
    throw new Error(said.error?.message || `The gateway answered ${answer.status}.`);
  }
  return said;
}

function say(text, isBad = false) {
  state.hidden = false;
  state.textContent = text;
  state.className = isBad ? "sw-note sw-note-bad" : "sw-quiet";
}

function worded(answer) {
  const calls = (answer.tool_calls || []).map((one) => `calls ${one.name} ${one.arguments}`);
  return [answer.content || "", ...calls].filter(Boolean).join("\n\n") || "(no words)";
}

ask?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = ask.querySelector("button");
  button.disabled = true;
  answers.hidden = true;
  session = null;
  say("Both are asked; you see their answers together.");
  try {
    const content = document.getElementById("ask-prompt").value;
    const said = await call("/v1/preferences", {
      model: document.getElementById("ask-model").value,
      messages: [{ role: "user", content }],
    });
    session = said.id;
    for (const place of ["a", "b"]) {
      document.getElementById(`answer-${place}`).textContent = worded(said.answers[place]);
    }
    document.getElementById("vote-comment").value = "";
    answers.hidden = false;
    say("Both have answered. Which is better?");
    document.getElementById("answer-a").focus();
  } catch (error) {
    say(error.message, true);
  }
  button.disabled = false;
});

vote?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const choice = event.submitter?.value;
  if (!session || !choice) {
    return;
  }
  const asked = session;
  session = null;
  try {
    const comment = document.getElementById("vote-comment").value;
    await call(`/v1/preferences/${asked}/vote`, { choice, comment });
    window.location.reload();
  } catch (error) {
    session = asked;
    say(error.message, true);
    state.scrollIntoView({ block: "center" });
  }
});

// One key a vote, as in the buttons; a key that is held, pressed with another or typed is no vote.
document.addEventListener("keydown", (event) => {
  const isTyped = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || isTyped || answers?.hidden) {
    return;
  }
  vote?.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
});
