// Beats of the left ventricle: the measured ones, and those that were moved by hand.

import { getJson } from "./api.js";
import { announce, h, put } from "./dom.js";
import { number, sentence } from "./words.js";

const SAVE_MS = 700;

/** The beats on the page. Sends "change" when a mark moved, "saved" and "problem" after a call. */
export class Beats extends EventTarget {
  /**
   * @param {string} url address of the beats of a job
   * @param {Object} answer what the service says about them
   * @param {Object|null} ventricle volumes in every frame (measurements.json)
   */
  constructor(url, answer, ventricle) {
    super();
    Object.assign(this, { url, ventricle });
    this.take(answer);
  }

  take(answer) {
    this.answer = answer;
    const doubtful = (beat) => beat.problems.length > 0;
    this.list = answer.corrected
      ? answer.corrected.map((beat) => ({ ...beat, counts: true }))
      : answer.original.map((beat) => ({ ...beat, counts: !doubtful(beat) }));
    this.dispatchEvent(new Event("change"));
  }

  /** Move a mark; its beat then counts. A beat needs two different frames. */
  move(k, phase, frame) {
    const beat = this.list[k];
    const last = this.ventricle.volumes.length - 1;
    const wanted = Math.max(0, Math.min(last, frame));
    const other = beat[phase === "ed" ? "es_frame" : "ed_frame"];
    if (wanted === other || wanted === beat[`${phase}_frame`]) return;
    beat[`${phase}_frame`] = wanted;
    this.measure(beat);
    beat.counts = true;
    this.dispatchEvent(new Event("change"));
  }

  /** What the service will say; its answer replaces it. */
  measure(beat) {
    const [edv, esv] = [beat.ed_frame, beat.es_frame].map((i) => this.ventricle.volumes[i]);
    const known = edv !== null && esv !== null;
    beat.ejection_fraction = known && edv > 0 && esv <= edv ? (100 * (edv - esv)) / edv : null;
    const millilitres = this.ventricle.volume_unit === "ml";
    beat.edv_ml = millilitres ? edv : null;
    beat.esv_ml = millilitres ? esv : null;
    beat.problems = [];
  }

  setCounts(k, counts) {
    this.list[k].counts = counts;
    this.dispatchEvent(new Event("change"));
    this.saveSoon(0);
  }

  /** Add a beat between the largest and the smallest volume of the clip. */
  add() {
    const known = [...this.ventricle.volumes.entries()].filter(([, volume]) => volume !== null);
    const frameOf = (best) => known.reduce((a, b) => (best(b[1], a[1]) ? b : a))[0];
    if (known.length < 2) return;
    const beat = { ed_frame: frameOf((a, b) => a > b), es_frame: frameOf((a, b) => a < b), counts: true };
    if (beat.ed_frame === beat.es_frame) return;
    this.measure(beat);
    this.list.push(beat);
    this.dispatchEvent(new Event("change"));
    this.saveSoon(0);
  }

  volumeText(frame) {
    const volume = this.ventricle?.volumes[frame];
    if (volume === null || volume === undefined) return "no volume";
    return this.ventricle.volume_unit === "ml" ? `${volume.toFixed(0)} ml` : "volume without a unit";
  }

  get corrected() {
    const frames = (beats) => JSON.stringify(beats.map((b) => [b.ed_frame, b.es_frame]));
    const doubtless = this.answer.original.filter((beat) => !beat.problems.length);
    const counted = this.list.filter((beat) => beat.counts);
    return this.answer.corrected !== null || frames(counted) !== frames(doubtless);
  }

  /** Mean over the beats that count. */
  get ejection() {
    const known = this.list.filter((b) => b.counts).map((b) => b.ejection_fraction);
    const values = known.filter((value) => value !== null && value !== undefined);
    return values.length ? values.reduce((a, b) => a + b) / values.length : null;
  }

  saveSoon(wait = SAVE_MS) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), wait);
  }

  async save() {
    const counted = this.list.filter((beat) => beat.counts);
    if (!counted.length) {
      this.tell("choose at least one beat, or go back to the measured ones");
      return;
    }
    const beats = counted.map(({ ed_frame, es_frame }) => ({ ed_frame, es_frame }));
    if (this.corrected) await this.patch(beats);
  }

  reset() {
    clearTimeout(this.timer);
    return this.patch(null);
  }

  async patch(beats) {
    const sent = JSON.stringify(this.list);
    try {
      const answer = await getJson(this.url, { method: "PATCH", json: { beats } });
      if (beats === null) {
        this.take(answer);
      } else if (JSON.stringify(this.list) === sent) {
        this.merge(answer); // otherwise a mark moved meanwhile, and will be saved too
      }
      this.tell(null);
      const value = answer.ejection_fraction;
      announce(value === null ? "No ejection fraction." : `Ejection fraction ${value.toFixed(1)} per cent.`);
    } catch (error) {
      this.tell(error.message);
    }
  }

  /** Take the numbers of the service; beats that do not count stay as they are. */
  merge(answer) {
    this.answer = answer;
    const corrected = [...answer.corrected];
    this.list = this.list.map((beat) => (beat.counts ? { ...corrected.shift(), counts: true } : beat));
    this.dispatchEvent(new Event("change"));
  }

  tell(problem) {
    this.dispatchEvent(new CustomEvent("saved", { detail: problem }));
  }
}

/** Ejection fraction, volumes, the table of beats, and doubts in words. */
export function beatsPanel(beats, facts, player) {
  const figures = h("div.figures");
  const table = h("div");
  const problem = h("p.problem", { role: "alert", hidden: true });
  const reset = h("button.quiet", { type: "button", onclick: () => beats.reset() }, "Back to the measured beats");
  const add = h("button.quiet", { type: "button", onclick: () => beats.add() }, "Add a beat");
  const draw = () => {
    put(figures, figuresOf(beats));
    const focused = document.activeElement?.dataset?.beat;
    put(table, beats.list.length ? tableOf(beats, player) : h("p.hint", {}, "No beat was found."));
    if (focused) table.querySelector(`[data-beat="${focused}"]`)?.focus();
    reset.hidden = !beats.corrected;
  };
  beats.addEventListener("change", draw);
  beats.addEventListener("saved", ({ detail }) => {
    problem.hidden = !detail;
    problem.textContent = detail ? sentence(detail) : "";
    draw();
  });
  draw();
  return h("section.panel", { "aria-labelledby": "ef-title" },
    h("h2", { id: "ef-title" }, "Ejection fraction"),
    figures, table, problem, h("div.actions", {}, add, reset),
    beats.list.length ? h("p.hint", {}, "Drag the marks ED and ES on the curve, or focus one and press the arrow keys.") : null);
}

function figuresOf(beats) {
  const measured = beats.answer.original_ejection_fraction;
  const big = (value, label, main) =>
    h(main ? "div.figure.main" : "div.figure", {},
      h("span.label", {}, label),
      value === null ? h("span.value.none", {}, "none") : h("span.value", {}, value.toFixed(1), h("small", {}, " %")));
  const counted = beats.list.filter((beat) => beat.counts).length;
  const mean = counted > 1 ? `, mean of ${counted} beats` : "";
  if (!beats.corrected) return [big(measured, `Measured${mean}`, true)];
  return [big(beats.ejection, `Corrected by hand${mean}`, true), big(measured, "Measured", false)];
}

function tableOf(beats, player) {
  const millilitres = beats.ventricle?.volume_unit === "ml";
  const frameButton = (frame, what) =>
    h("button.link", { type: "button", "aria-label": `Show ${what}, frame ${frame}`, onclick: () => { player.pause(); player.show(frame); } }, String(frame));
  const rows = beats.list.map((beat, k) => [
    h(beat.counts ? "tr" : "tr.unused", {},
      h("td", {}, h("label.tick", {}, h("input", {
        type: "checkbox", checked: beat.counts, "data-beat": k, "aria-label": `Beat ${k + 1} counts`,
        onchange: (event) => beats.setCounts(k, event.target.checked),
      }), h("span", {}, String(k + 1)))),
      h("td", {}, frameButton(beat.ed_frame, "end-diastole")),
      h("td", {}, frameButton(beat.es_frame, "end-systole")),
      millilitres ? [h("td", {}, number(beat.edv_ml, 0)), h("td", {}, number(beat.esv_ml, 0))] : [],
      h("td", {}, number(beat.ejection_fraction))),
    beat.problems.length
      ? h("tr.doubt", {}, h("td", { colspan: millilitres ? 6 : 4 }, h("ul", {}, beat.problems.map((text) => h("li", {}, sentence(text))))))
      : null,
  ]);
  const head = ["Beat", "ED", "ES", ...(millilitres ? ["EDV ml", "ESV ml"] : []), "EF %"];
  return h("table.beats", {},
    h("caption.visually-hidden", {}, "Beats: frames of end-diastole and end-systole, volumes, ejection fraction"),
    h("thead", {}, h("tr", {}, head.map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rows.flat()));
}
