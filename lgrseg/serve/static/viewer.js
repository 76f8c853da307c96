// The dark well: picture, controls, curve.

import { getJson } from "./api.js";
import { Beats } from "./beats.js";
import { Boxes } from "./boxes.js";
import { Curve } from "./curve.js";
import { h, put } from "./dom.js";
import { Frames, Labels } from "./packed.js";
import { Player } from "./player.js";
import { overlayControls, transport, viewerKeys } from "./transport.js";
import { sentence } from "./words.js";

/** Fetch what is needed to show a finished job. */
export async function loadResult(job) {
  const file = (name) => job.results.find((entry) => entry.name === name).href;
  const [frames, labels, facts, answer] = await Promise.all([
    Frames.open(file("frames.bin")),
    Labels.open(file("labels.bin")),
    getJson(file("measurements.json")),
    getJson(job.links.beats),
  ]);
  return { job, frames, labels, facts, beats: new Beats(job.links.beats, answer, facts.left_ventricle) };
}

/** Curves of a job: areas, and the volume of the left ventricle. */
export function viewsOf(facts, classes) {
  const colors = Object.fromEntries(classes.map(({ name, color }) => [name, color]));
  const inMillimetres = facts.area_unit === "mm2";
  const areas = Object.entries(facts.areas).map(([name, values]) => ({
    name, color: colors[name], values: inMillimetres ? values.map((v) => v === null ? null : v / 100) : values,
  }));
  const views = [{ name: "Area", unit: inMillimetres ? "cm²" : "pixels", series: areas }];
  const ventricle = facts.left_ventricle;
  if (ventricle?.volumes.some((v) => v !== null)) {
    const unit = ventricle.volume_unit === "ml" ? "ml" : "";
    const color = colors.left_ventricle ?? areas[0].color;
    views.push({ name: "Volume", unit, series: [{ name: "left_ventricle", color, values: ventricle.volumes }] });
  }
  return views;
}

/** The picture of a player, with a place for a layer over it. */
export function stage(player, label, ...layers) {
  const { width, height } = player.frames;
  player.canvas.setAttribute("role", "img");
  player.canvas.setAttribute("aria-label", label);
  const sheet = h("div.sheet", {}, player.canvas, layers);
  sheet.style.setProperty("--ratio", width / height);
  return h("div.stage", {}, sheet);
}

/** A viewer; returns its element, its parts, and `close`. */
export function makeViewer(result, models, signal) {
  const { job, frames, labels, facts, beats } = result;
  const player = new Player(document.createElement("canvas"), frames, labels);
  const boxes = new Boxes(job, player, models);
  const problem = h("p.problem", { role: "alert", hidden: true });
  player.addEventListener("problem", ({ detail }) => {
    problem.hidden = false;
    put(problem, sentence(detail.message));
  });
  const moving = frames.count > 1;
  const curve = moving
    ? new Curve(player, viewsOf(facts, labels.classes), facts.left_ventricle ? beats : null)
    : null;
  const element = h("section.well", { "aria-label": "Viewer" },
    stage(player, `Ultrasound picture of ${job.name || "the clip"} with masks`, boxes.layer),
    problem,
    h("div.controls", {}, moving ? transport(player) : null, overlayControls([player])),
    curve?.element ?? null);
  viewerKeys(element, player, signal);
  const failed = (error) => player.dispatchEvent(new CustomEvent("problem", { detail: error }));
  player.show(0).catch(failed);
  signal.addEventListener("abort", () => { player.close(); curve?.close(); });
  return { element, player, boxes, curve };
}
