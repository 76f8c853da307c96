// Curves over the frames, with a line at the frame of the player and marks that can be dragged.

import { h, put, s } from "./dom.js";
import { className } from "./words.js";

const EDGE = { left: 46, right: 26, top: 46, bottom: 24 };
const HEIGHT = 172;
const FLAG = { ed: 2, es: 23, height: 18 };
const JUMP = 5;

/** Numbers for an axis: about `most` round ones between 0 and the largest value. */
export function ticks(largest, most = 4) {
  if (!(largest > 0)) return [0];
  const raw = largest / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * power).find((value) => value >= raw);
  return Array.from({ length: Math.floor(largest / step + 1e-9) + 1 }, (_, k) => k * step);
}

/**
 * The curve.
 *
 * @param {Object} player gives the frame, and is moved by a click on the curve
 * @param {Array} views [{name, unit, series: [{name, color, values}]}], shown one at a time
 * @param {Object|null} beats marks (beats.js); null draws none
 */
export class Curve {
  constructor(player, views, beats, { label = "Areas over the frames" } = {}) {
    Object.assign(this, { player, views, beats, view: views[0], width: 0 });
    this.svg = s("svg.curve", { role: "group", "aria-label": label, height: HEIGHT });
    this.plot = s("g", { "aria-hidden": "true" });
    this.cursor = s("g.cursor", { "aria-hidden": "true" });
    this.marks = s("g.marks");
    this.svg.append(this.plot, this.cursor, this.marks);
    this.element = h("div.curve-box", {}, this.heading(), this.svg);
    this.svg.addEventListener("pointerdown", (event) => this.scrub(event));
    player.addEventListener("frame", () => this.moveCursor());
    beats?.addEventListener("change", () => this.drawMarks());
    this.observer = new ResizeObserver(([entry]) => {
      this.width = Math.max(220, Math.floor(entry.contentRect.width));
      this.draw();
    });
    this.observer.observe(this.element);
  }

  heading() {
    if (this.views.length === 1) return h("p.curve-title", {}, this.titleOf(this.view));
    const buttons = this.views.map((view) => {
      const button = h("button.tab", {
        type: "button", "aria-pressed": String(view === this.view),
        onclick: () => {
          this.view = view;
          buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
          this.draw();
        },
      }, this.titleOf(view));
      return button;
    });
    return h("div.curve-title", { role: "group", "aria-label": "Curve" }, buttons);
  }

  titleOf(view) {
    return view.unit ? `${view.name} (${view.unit})` : view.name;
  }

  x(frame) {
    const inner = this.width - EDGE.left - EDGE.right;
    return EDGE.left + (this.player.count < 2 ? 0 : (frame / (this.player.count - 1)) * inner);
  }

  frameAt(clientX) {
    const inner = this.width - EDGE.left - EDGE.right;
    const share = (clientX - this.svg.getBoundingClientRect().left - EDGE.left) / inner;
    return Math.max(0, Math.min(this.player.count - 1, Math.round(share * (this.player.count - 1))));
  }

  y(value) {
    return HEIGHT - EDGE.bottom - (value / this.top) * (HEIGHT - EDGE.top - EDGE.bottom);
  }

  draw() {
    if (!this.width) return;
    this.svg.setAttribute("width", this.width);
    const known = this.view.series.flatMap((one) => one.values).filter((v) => v !== null);
    const largest = Math.max(0, ...known) || 1;
    this.top = largest * 1.05;
    const grid = ticks(largest).map((value) => [
      s("line.grid", { x1: EDGE.left, x2: this.width - EDGE.right, y1: this.y(value), y2: this.y(value) }),
      s("text.tick", { x: EDGE.left - 8, y: this.y(value) + 4, "text-anchor": "end" }, short(value)),
    ]);
    const along = ticks(this.player.count - 1, this.width < 500 ? 4 : 8)
      .filter(Number.isInteger)
      .map((frame) =>
        s("text.tick", { x: this.x(frame), y: HEIGHT - 7, "text-anchor": "middle" }, String(frame)));
    const lines = this.view.series.map(({ values, color, name, dashed }) => {
      const line = s(dashed ? "path.line.dashed" : "path.line", { d: this.path(values) },
        s("title", {}, className(name)));
      line.style.setProperty("--class", `rgb(${color.join(" ")})`);
      return line;
    });
    put(this.plot, grid.flat(), along, lines);
    this.drawMarks();
    this.moveCursor();
  }

  path(values) {
    let text = "";
    let gap = true;
    values.forEach((value, frame) => {
      if (value === null) {
        gap = true;
        return;
      }
      text += `${gap ? "M" : "L"}${this.x(frame).toFixed(1)} ${this.y(value).toFixed(1)}`;
      gap = false;
    });
    return text;
  }

  moveCursor() {
    if (!this.width || this.player.frame < 0) return;
    const x = this.x(this.player.frame);
    const dots = this.view.series.map(({ values, color }) => {
      const value = values[this.player.frame];
      if (value === null || value === undefined) return null;
      const dot = s("circle.dot", { cx: x, cy: this.y(value), r: 4 });
      dot.style.setProperty("--class", `rgb(${color.join(" ")})`);
      return dot;
    });
    put(this.cursor, s("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }), dots);
  }

  /** A press on the curve, and moves after it, choose the frame. */
  scrub(event) {
    if (event.button !== 0 || event.target.closest(".mark")) return;
    const move = (e) => { this.player.pause(); this.player.show(this.frameAt(e.clientX)); };
    this.follow(this.svg, event, move);
    move(event);
  }

  follow(element, event, move, end = () => {}) {
    element.setPointerCapture(event.pointerId);
    const stop = () => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", stop);
      element.removeEventListener("pointercancel", stop);
      end();
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", stop);
    element.addEventListener("pointercancel", stop);
  }

  /** Move existing marks rather than make new ones, so that focus and a drag stay. */
  drawMarks() {
    if (!this.width || !this.beats) return;
    const wanted = this.beats.list.flatMap((beat, k) => ["ed", "es"].map((phase) => ({ beat, k, phase })));
    while (this.marks.children.length > wanted.length) this.marks.lastChild.remove();
    wanted.forEach(({ beat, k, phase }, position) => {
      const mark = this.marks.children[position] ?? this.marks.appendChild(this.makeMark(k, phase));
      const frame = beat[`${phase}_frame`];
      const many = this.beats.list.length > 1;
      const text = phase.toUpperCase() + (many ? ` ${k + 1}` : "");
      const name = phase === "ed" ? "End-diastole" : "End-systole";
      mark.setAttribute("transform", `translate(${this.x(frame)} 0)`);
      mark.classList.toggle("unused", !beat.counts);
      mark.querySelector("text").textContent = text;
      mark.setAttribute("aria-label", many ? `${name} of beat ${k + 1}` : name);
      mark.setAttribute("aria-valuenow", frame);
      mark.setAttribute("aria-valuemax", this.player.count - 1);
      mark.setAttribute("aria-valuetext", `frame ${frame}, ${this.beats.volumeText(frame)}`);
    });
  }

  makeMark(k, phase) {
    const mark = s(`g.mark.${phase}`, { role: "slider", tabindex: 0, "aria-valuemin": 0 },
      s("line", { y1: FLAG[phase] + FLAG.height, y2: HEIGHT - EDGE.bottom }),
      s("rect.touch", { x: -12, y: FLAG[phase], width: 24, height: HEIGHT - EDGE.bottom - FLAG[phase] }),
      s("rect.flag", { x: -20, y: FLAG[phase], width: 40, height: FLAG.height, rx: 9 }),
      s("text", { y: FLAG[phase] + 13, "text-anchor": "middle" }));
    const to = (frame) => {
      this.beats.move(k, phase, frame);
      this.player.pause();
      this.player.show(this.beats.list[k][`${phase}_frame`]);
    };
    mark.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      mark.focus();
      this.player.pause();
      this.player.show(this.beats.list[k][`${phase}_frame`]);
      this.follow(mark, event, (e) => to(this.frameAt(e.clientX)), () => this.beats.saveSoon(0));
    });
    mark.addEventListener("focus", () => this.player.show(this.beats.list[k][`${phase}_frame`]));
    mark.addEventListener("keydown", (event) => {
      const frame = this.beats.list[k][`${phase}_frame`];
      const target = {
        ArrowLeft: frame - 1, ArrowDown: frame - 1, ArrowRight: frame + 1, ArrowUp: frame + 1,
        PageDown: frame - JUMP, PageUp: frame + JUMP, Home: 0, End: this.player.count - 1,
      }[event.key];
      if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      to(target);
      this.beats.saveSoon();
    });
    return mark;
  }

  close() {
    this.observer.disconnect();
  }
}

function short(value) {
  if (value >= 10000) return `${Number((value / 1000).toFixed(1))}k`;
  return String(Number(value.toFixed(2)));
}
