// The token of the service, if it wants one. It is kept until the tab is closed.

import { keepToken, onTokenNeeded, token } from "./api.js";
import { h, put } from "./dom.js";
import { sentence } from "./words.js";

let open = null;

/** Ask for a token whenever a call needs one, and let the button in the bar change it. */
export function startTokens(onNew) {
  const button = document.getElementById("token");
  const show = () => { button.hidden = !token(); };
  onTokenNeeded(async (problem) => {
    open ??= askForToken(token() ? `The server does not accept this token. ${sentence(problem.message)}` : "").finally(() => { open = null; });
    const given = await open;
    show();
    return given;
  });
  button.addEventListener("click", async () => {
    if (await askForToken("")) onNew();
    show();
  });
  show();
}

function askForToken(problem) {
  return new Promise((resolve) => {
    const dialog = document.getElementById("dialog");
    const field = h("input", { type: "password", id: "token-field", autocomplete: "off", autofocus: true, required: true, minlength: 16 });
    const finish = (value) => { resolve(value); dialog.close(); };
    const form = h("form", { method: "dialog", onsubmit: (event) => {
      event.preventDefault();
      keepToken(field.value.trim());
      finish(true);
    } },
    h("h2", { id: "dialog-title" }, "Token"),
    h("p", {}, "This server needs a token. Ask whoever runs it. The token is kept until this tab is closed."),
    problem ? h("p.problem", { role: "alert" }, problem) : null,
    h("label.field", { for: "token-field" }, h("span", {}, "Token"), field),
    h("div.actions", {},
      token() ? h("button.quiet", { type: "button", onclick: () => { keepToken(null); finish(true); } }, "Forget it") : null,
      h("button", { type: "button", onclick: () => finish(false) }, "Cancel"),
      h("button.primary", { type: "submit" }, "Use this token")));
    put(dialog, form);
    dialog.onclose = () => resolve(false);
    dialog.showModal();
  });
}
