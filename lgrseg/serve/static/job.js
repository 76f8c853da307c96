// One job: its progress, then its result.

import { call, follow, getJson } from "./api.js";
import { modelsPanel } from "./again.js";
import { beatsPanel } from "./beats.js";
import { announce, ask, h, icon, put } from "./dom.js";
import { filesPanel } from "./files.js";
import { loadResult, makeViewer } from "./viewer.js";
import { ENDED, className, factsOf, number, sentence, stateOf, timeLeft, when } from "./words.js";

/** Show a job in `main` until `signal` is aborted. */
export async function showJob(main, id, signal) {
  const body = h("div.job-body");
  put(main, body);
  let job = await getJson(`/v1/jobs/${id}`, { signal });
  document.title = `${job.name || "Clip"} · lgrseg`;
  const title = h("h1", {}, job.name || "Clip");
  const actions = h("div.actions");
  put(main, h("div.page-head", {},
    h("div", {}, h("div.title", {}, h("a.back", { href: "#/" }, "All clips"), title), h("p.facts", {}, factsLine(job))),
    actions), body);
  put(actions, removeButton(job));
  if (!ENDED.includes(job.state)) {
    const progress = progressCard(job);
    put(body, progress.element);
    for await (const news of follow(id, signal)) {
      job = news;
      progress.update(job);
    }
    if (signal.aborted) return;
    if (!ENDED.includes(job.state)) throw new Error("the job was deleted");
    announce(`${job.name || "The clip"}: ${stateOf(job)}.`);
  }
  if (job.state === "done") await showResult(body, actions, job, signal);
  else put(body, endCard(job));
}

function factsLine(job) {
  return [...factsOf(job), when(job.created)].map((text) => h("span", {}, text));
}

function removeButton(job) {
  const verb = ENDED.includes(job.state) ? "Delete" : "Cancel";
  const button = h("button.quiet", {
    type: "button",
    onclick: async () => {
      const text = "The clip and all its results are deleted from the server.";
      if (!(await ask(`${verb} ${job.name || "this clip"}?`, text, verb === "Delete" ? "Delete" : "Cancel the job"))) return;
      try {
        await call(`/v1/jobs/${job.id}`, { method: "DELETE" });
        location.hash = "#/";
      } catch (error) {
        button.after(h("p.problem", { role: "alert" }, sentence(error.message)));
      }
    },
  }, verb);
  return button;
}

function progressCard(first) {
  const bar = h("progress", { max: 1, "aria-label": "Progress of the job" });
  const state = h("p.state", { role: "status" });
  const time = h("p.time");
  const update = (job) => {
    state.textContent = stateOf(job);
    if (job.state === "running") bar.value = job.progress;
    else bar.removeAttribute("value");
    const percent = job.state === "running" ? `${Math.round(100 * job.progress)} %` : "";
    put(time, h("span", {}, percent), h("span", {}, timeLeft(job)));
  };
  update(first);
  return { element: h("section.well.waiting", { "aria-label": "Progress" }, state, bar, time), update };
}

function endCard(job) {
  const text = {
    failed: job.error?.detail ?? "the job failed",
    cancelled: "the job was cancelled",
    expired: "the results of this job were deleted, as they are kept for a limited time only",
  }[job.state];
  return h("section.panel.end", {}, icon("warn"),
    h("div", {}, h("h2", {}, stateOf(job)), h("p", {}, sentence(text)),
      h("p", {}, h("a", { href: "#/" }, "Back to all clips"))));
}

async function showResult(body, actions, job, signal) {
  put(body, h("section.well.waiting", { "aria-label": "Progress" }, h("p.state", { role: "status" }, "Loading the result"), h("progress", { "aria-label": "Loading" })));
  const [result, { models }, { jobs }] = await Promise.all([loadResult(job), getJson("/v1/models"), getJson("/v1/jobs?limit=100")]);
  if (signal.aborted) return;
  const viewer = makeViewer(result, models, signal);
  const side = h("div.side", {},
    result.facts.left_ventricle && job.frames > 1 ? beatsPanel(result.beats, result.facts, viewer.player) : null,
    job.frames === 1 ? areasPanel(result) : null,
    modelsPanel(job, models, jobs),
    doubtsPanel(result),
    viewer.boxes.panel,
    filesPanel(job));
  put(body, h("div.columns", {}, viewer.element, side));
  put(actions, compareChoice(job, jobs), removeButton(job));
}

/** Areas of a still, which has no curve. */
function areasPanel({ facts }) {
  const [scale, unit] = facts.area_unit === "mm2" ? [100, "cm²"] : [1, "pixels"];
  const rows = Object.entries(facts.areas).map(([name, [area]]) =>
    h("tr", {}, h("th", { scope: "row" }, className(name)), h("td", {}, number(area === null ? null : area / scale, scale === 1 ? 0 : 1))));
  return h("section.panel", { "aria-labelledby": "areas-title" },
    h("h2", { id: "areas-title" }, `Areas, ${unit}`), h("table.beats", {}, h("tbody", {}, rows)));
}

/** Doubts first, in words; then what else is worth knowing. */
function doubtsPanel({ job, facts }) {
  const doubtful = (text) => facts.doubts.includes(text) ||
    (facts.frames > 1 && text.startsWith("no ejection fraction"));
  const warnings = [...facts.doubts, ...facts.notes.filter((text) => doubtful(text) && !facts.doubts.includes(text))];
  const doubts = warnings.map((text) => h("li.doubt", {}, icon("warn"), h("span", {}, doubtInWords(text))));
  const notes = facts.notes.filter((text) => !doubtful(text))
    .map((text) => h("li", {}, h("span", {}, sentence(text))));
  const { model } = facts;
  return h("section.panel", { "aria-labelledby": "notes-title" },
    h("h2", { id: "notes-title" }, doubts.length ? "Doubts and notes" : "Notes"),
    h("ul.notes", {}, doubts, notes, h("li", {}, h("span", {}, "Model: ", h("code", { title: job.model_sha256 }, model), "."))));
}

/** The reasons of doubtful beats stand below the beats. */
function doubtInWords(text) {
  return sentence(text.replace(/^(no ejection fraction: every beat is doubtful) \(.*$/s, "$1; the table says why"));
}

function compareChoice(job, jobs) {
  const others = jobs.filter((other) => other.state === "done" && other.id !== job.id);
  if (!others.length) return null;
  const go = h("button", {
    type: "button", disabled: true,
    onclick: () => { location.hash = `#/compare/${job.id}/${choice.value}`; },
  }, "Compare");
  const choice = h("select", {
    "aria-label": "Other result", onchange: () => { go.disabled = !choice.value; },
  }, h("option", { value: "" }, "Compare with …"),
  others.map((other) => h("option", { value: other.id }, `${other.name || "clip"}, ${other.model}, ${when(other.created)}`)));
  return [choice, go];
}
