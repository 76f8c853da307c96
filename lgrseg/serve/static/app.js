// Chooses the view by the part of the address after #, and tells how the service is.

import { call } from "./api.js";
import { showComparison } from "./compare.js";
import { h, put } from "./dom.js";
import { showHome } from "./home.js";
import { showJob } from "./job.js";
import { startTokens } from "./token.js";
import { sentence } from "./words.js";

const ID = "([0-9a-f]{32})";
const VIEWS = [
  [new RegExp(`^#/job/${ID}$`), (main, [, id], signal) => showJob(main, id, signal)],
  [new RegExp(`^#/compare/${ID}/${ID}$`), (main, [, a, b], signal) => showComparison(main, [a, b], signal)],
  [/^(#\/?)?$/, (main, _, signal) => showHome(main, signal)],
];
const LOOK_MS = 15000;
let current = new AbortController();

async function show() {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const main = document.getElementById("main");
  const [pattern, view] = VIEWS.find(([pattern]) => pattern.test(location.hash)) ?? VIEWS.at(-1);
  put(main);
  main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  try {
    await view(main, location.hash.match(pattern) ?? [], signal);
  } catch (error) {
    if (!signal.aborted && error.name !== "AbortError") showProblem(main, error);
  }
}

function showProblem(main, error) {
  const code = error.code === "no_token" ? "This server needs a token." : sentence(error.message);
  main.append(h("section.panel.end", { role: "alert" },
    h("div", {}, h("h2", {}, "This did not work"), h("p", {}, code),
      h("div.actions", {}, h("button", { type: "button", onclick: show }, "Try again"), h("a", { href: "#/" }, "All clips")))));
}

/** A worker may still load its model, or the service may be gone. */
async function lookAtService() {
  const place = document.getElementById("service");
  try {
    await call("/readyz");
    put(place);
  } catch (error) {
    put(place, h("span.warn", {}, error.code === "unreachable" ? "The service does not answer" : sentence(error.message)));
  }
}

// A file that misses the place for clips must not replace the page.
for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());
startTokens(show);
window.addEventListener("hashchange", show);
show();
lookAtService();
setInterval(() => { if (!document.hidden) lookAtService(); }, LOOK_MS);
