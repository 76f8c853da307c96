// The same clip with another model, and the way to the comparison of both results.

import { getJson } from "./api.js";
import { h } from "./dom.js";
import { sentence } from "./words.js";

const USABLE = ["queued", "running", "done"];

/** The models for clips of an answer of GET /v1/models. */
export const clipModels = (models) => models.filter(({ purpose }) => purpose === "clips");

/**
 * The other models of the service; null if there is none.
 *
 * @param {Object} job a finished job
 * @param {Object[]} models models of the service
 * @param {Object[]} jobs jobs of the list, some of which may be of the same clip
 */
export function modelsPanel(job, models, jobs) {
  const others = clipModels(models).filter(({ name }) => job.boxes || name !== job.model);
  if (!others.length || clipModels(models).length < 2) return null;
  const clip = job.parent ?? job.id;
  const same = jobs.filter((other) => !other.boxes && [other.id, other.parent].includes(clip) && USABLE.includes(other.state));
  const problem = h("p.problem", { role: "alert", hidden: true });
  return h("section.panel", { "aria-labelledby": "models-title" },
    h("h2", { id: "models-title" }, "Other models"),
    others.map(({ name }) => h("div.actions", {}, actionOf(job, name, same.find(({ model }) => model === name), problem))),
    problem);
}

function actionOf(job, name, known, problem) {
  if (known?.state === "done") {
    const open = () => { location.hash = `#/compare/${job.id}/${known.id}`; };
    return h("button", { type: "button", onclick: open }, `Compare with ${name}`);
  }
  if (known) {
    return h("a", { href: `#/job/${known.id}` }, `${name} segments it`);
  }
  const button = h("button", {
    type: "button",
    onclick: async () => {
      button.disabled = true;
      problem.hidden = true;
      try {
        const again = await getJson(`/v1/jobs/${job.id}/again?${new URLSearchParams({ model: name })}`, { method: "POST" });
        location.hash = `#/job/${again.id}`;
      } catch (error) {
        problem.hidden = false;
        problem.textContent = sentence(error.message);
        button.disabled = false;
      }
    },
  }, `Segment again with ${name}`);
  return button;
}
