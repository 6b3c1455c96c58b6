"use strict";

// A form that a passkey answers: `data-passkey` says what for. The server makes the challenge, the
// browser asks its owner, and what comes of it goes back with the form.
document.querySelectorAll("form[data-passkey]").forEach((form) => {
  const problem = form.querySelector("[data-passkey-problem]");
  const tell = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
  };
  const known = window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;

  async function options() {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    body.append("purpose", form.dataset.passkey);
    const answer = await fetch(form.dataset.passkeyOptions, { method: "POST", body: body });
    const said = await answer.json();
    if (!answer.ok) {
      throw new Error(said.message);
    }
    return said.publicKey;
  }

  async function asked() {
    if (form.dataset.passkey === "add") {
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(await options());
      return navigator.credentials.create({ publicKey: publicKey });
    }
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await options());
    return navigator.credentials.get({ publicKey: publicKey });
  }

  function sentence(error) {
    const words = {
      NotAllowedError: "The browser was not allowed to, or you took too long. Try once more.",
      InvalidStateError: "This device has a passkey for this login already.",
      SecurityError:
        "Passkeys need a host name: open Slipway by https, or by http://localhost here.",
    };
    return words[error.name] || error.message;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    tell("");
    if (!known) {
      tell("This browser has no passkeys, or this address is not secure: use https or localhost.");
      return;
    }
    try {
      const credential = await asked();
      form.elements.credential.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch (error) {
      tell(sentence(error));
    }
  });
});
