// Two results side by side, by frame number.

import { getJson } from "./api.js";
import { Curve } from "./curve.js";
import { h, put } from "./dom.js";
import { Player } from "./player.js";
import { overlayControls, transport, viewerKeys } from "./transport.js";
import { loadResult, stage, viewsOf } from "./viewer.js";
import { className, factsOf, number, sentence } from "./words.js";

const SPARE = [[243, 155, 34], [145, 120, 220], [236, 104, 176], [190, 200, 80], [150, 160, 175]];

/** Show two jobs in `main` until `signal` is aborted. */
export async function showComparison(main, ids, signal) {
  document.title = "Comparison · lgrseg";
  put(main, h("p.state", { role: "status" }, "Loading both results"));
  const jobs = await Promise.all(ids.map((id) => getJson(`/v1/jobs/${id}`, { signal })));
  const results = await Promise.all(jobs.map((job) => {
    if (job.state !== "done") throw new Error(`${job.name || "a clip"} has no result: it is ${job.state}`);
    return loadResult(job);
  }));
  if (signal.aborted) return;
  shareColors(results);
  const players = results.map(({ frames, labels }) => new Player(document.createElement("canvas"), frames, labels));
  const [leader, follower] = players;
  leader.addEventListener("frame", () => follower.show(leader.frame).catch(() => {}));
  const agreement = h("div");
  if (sameClip(...results)) follower.addEventListener("frame", () => drawAgreement(agreement, players));
  const curve = new Curve(leader, bothViews(results), null, { label: "Curves over the frames" });
  const well = h("section.well", { "aria-label": "Viewer" },
    h("div.pair", {}, results.map((result, k) => h("figure", {},
      stage(players[k], `Result ${"AB"[k]}: ${result.job.name}`),
      h("figcaption", {}, h("b", {}, "AB"[k]), ` ${result.job.name || "clip"}`, h("span", {}, modelOf(result)))))),
    h("div.controls", {}, transport(leader), overlayControls(players)), curve.element, h("p.hint", {}, "Lines: A. Dashed lines: B."));
  viewerKeys(well, leader, signal);
  put(main,
    h("div.page-head", {}, h("div", {}, h("div.title", {}, h("a.back", { href: "#/" }, "All clips"), h("h1", {}, "Comparison")),
      h("p.facts", {}, factsOf(jobs[0]).map((text) => h("span", {}, text))))),
    h("div.columns", {}, well, h("div.side", {}, tableOf(results), agreementPanel(agreement, results))));
  leader.show(0);
  signal.addEventListener("abort", () => { players.forEach((player) => player.close()); curve.close(); });
}

/** Give a class the same colour in both results, and no colour to two classes. */
function shareColors(results) {
  const colors = new Map();
  for (const one of results.flatMap(({ labels }) => labels.classes)) {
    const taken = new Set([...colors.values()].map(String));
    const free = [one.color, ...SPARE].find((color) => !taken.has(String(color))) ?? one.color;
    if (!colors.has(one.name)) colors.set(one.name, free);
    one.color = colors.get(one.name);
  }
}

const modelOf = ({ job, facts }) => `${facts.model}${job.boxes ? ", from boxes" : ""}`;

function sameClip(a, b) {
  return ["width", "height", "count"].every((key) => a.frames[key] === b.frames[key]);
}

/** The left ventricle of both: A as a line, B dashed. */
function bothViews(results) {
  const [views, others] = results.map(({ facts, labels }) => viewsOf(facts, labels.classes));
  return views.map((view) => {
    const other = others.find(({ name, unit }) => name === view.name && unit === view.unit);
    const dashed = other?.series.map((one) => ({ ...one, dashed: true })) ?? [];
    return { ...view, series: [...view.series, ...dashed] };
  });
}

function tableOf(results) {
  const rows = [
    ["Ejection fraction, %", ({ job }) => job.ejection_fraction, 1],
    ["End-diastolic volume, ml", ({ beats }) => mean(beats, "edv_ml"), 0],
    ["End-systolic volume, ml", ({ beats }) => mean(beats, "esv_ml"), 0],
  ].map(([name, get, decimals]) => {
    const [a, b] = results.map(get);
    const known = a !== null && b !== null;
    return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, number(a, decimals)), h("td", {}, number(b, decimals)),
      h("td", {}, known ? `${b >= a ? "+" : "−"}${number(Math.abs(b - a), decimals)}` : "–"));
  });
  return h("section.panel", { "aria-labelledby": "compare-title" },
    h("h2", { id: "compare-title" }, "Measurements"),
    h("table.beats", {}, h("thead", {}, h("tr", {}, h("td"), ["A", "B", "B − A"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, rows)),
    results.map(({ job }, k) => job.corrected ? h("p.hint", {}, `The beats of ${"AB"[k]} were corrected by hand.`) : null));
}

function mean({ list }, key) {
  const known = list.filter((beat) => beat.counts && beat[key] !== null).map((beat) => beat[key]);
  return known.length ? known.reduce((a, b) => a + b) / known.length : null;
}

function agreementPanel(agreement, results) {
  const text = sameClip(...results)
    ? "Dice of both masks in this frame; 1 means that they are equal."
    : sentence("the two clips have another size or length, so their masks cannot be compared");
  return h("section.panel", { "aria-labelledby": "dice-title" }, h("h2", { id: "dice-title" }, "Agreement"), h("p.hint", {}, text), agreement);
}

function drawAgreement(place, [a, b]) {
  if (a.frame !== b.frame) return;
  const rows = a.labels.classes.flatMap(({ name, label }) => {
    const other = b.labels.classes.find((one) => one.name === name);
    if (!other) return [];
    let both = 0;
    let sum = 0;
    for (let i = 0; i < a.map.length; i++) {
      const [inA, inB] = [a.map[i] === label, b.map[i] === other.label];
      sum += inA + inB;
      both += inA && inB;
    }
    const dice = sum ? (2 * both) / sum : null;
    const meter = dice === null ? "" : h("meter", { value: dice, min: 0, max: 1, "aria-label": `Dice of ${className(name)}` });
    return h("tr", {}, h("th", { scope: "row" }, className(name)), h("td", {}, meter), h("td", {}, dice === null ? "in neither" : dice.toFixed(3)));
  });
  put(place, h("table.beats", {}, h("tbody", {}, rows)));
}
