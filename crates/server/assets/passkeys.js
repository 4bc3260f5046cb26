// Asks the browser for a passkey when a form with data-passkey is submitted, and sends the answer with the form.
// Without this file, or without support for passkeys, the server says what they need.
const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const withIds = (list) => list?.map((entry) => ({ ...entry, id: decode(entry.id) }));

const create = async (options) => {
  const publicKey = {
    ...options,
    challenge: decode(options.challenge),
    user: { ...options.user, id: decode(options.user.id) },
    excludeCredentials: withIds(options.excludeCredentials),
  };
  const made = await navigator.credentials.create({ publicKey });
  return {
    ...described(made),
    response: {
      clientDataJSON: encode(made.response.clientDataJSON),
      attestationObject: encode(made.response.attestationObject),
    },
  };
};

const get = async (options) => {
  const publicKey = {
    ...options,
    challenge: decode(options.challenge),
    allowCredentials: withIds(options.allowCredentials),
  };
  const found = await navigator.credentials.get({ publicKey });
  const { authenticatorData, clientDataJSON, signature, userHandle } = found.response;
  return {
    ...described(found),
    response: {
      authenticatorData: encode(authenticatorData),
      clientDataJSON: encode(clientDataJSON),
      signature: encode(signature),
      userHandle: userHandle ? encode(userHandle) : null,
    },
  };
};

const described = (credential) => ({
  id: credential.id,
  rawId: encode(credential.rawId),
  type: credential.type,
  extensions: {},
});

// What the browser's reasons mean to a person.
const REASONS = {
  NotAllowedError: "No passkey was used: the request was canceled or took too long. Try again.",
  InvalidStateError: "This device already has a passkey for your account.",
  SecurityError: "The address in your browser is not the one that passkeys of this server belong to.",
  NotSupportedError: "This device can't make a passkey of a kind that this server accepts.",
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const status = form.querySelector("[data-passkey-status]");
  const say = (text) => {
    status.textContent = text;
    status.hidden = text === "";
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say("");
    if (!window.PublicKeyCredential) {
      say("This browser doesn't support passkeys.");
      return;
    }
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const asked = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const { ceremony, publicKey, error, location } = await asked.json();
      if (location) {
        window.location.assign(location);
        return;
      }
      if (error) {
        say(error);
        return;
      }
      const credential = await (form.dataset.passkey === "create" ? create : get)(publicKey);
      form.elements.ceremony.value = ceremony;
      form.elements.credential.value = JSON.stringify(credential);
      form.submit();
    } catch (problem) {
      say(REASONS[problem.name] ?? "The passkey could not be used. Reload the page and try again.");
    } finally {
      button.disabled = false;
    }
  });
}
