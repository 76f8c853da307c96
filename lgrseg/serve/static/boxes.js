// Boxes on frames, from which the clip is segmented again.

import { getJson } from "./api.js";
import { h, put, s } from "./dom.js";
import { className, sentence } from "./words.js";

const SIDES = ["left", "top", "right", "bottom"];
const SMALLEST = 4;

/** The panel, and the layer over the picture on which boxes are drawn. */
export class Boxes {
  /**
   * @param {Object} job
   * @param {Object} player
   * @param {Array} models of GET /v1/models
   */
  constructor(job, player, models) {
    Object.assign(this, { job, player, boxes: [], drawing: false });
    const { width, height } = player.frames;
    Object.assign(this, { width, height });
    this.model = models.find((model) => model.purpose === "prompts") ?? null;
    this.layer = s("svg.boxes", {
      viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", preserveAspectRatio: "none",
    });
    this.layer.addEventListener("pointerdown", (event) => this.press(event));
    player.addEventListener("frame", () => this.drawLayer());
    this.panel = h("section.panel", { "aria-labelledby": "box-title" },
      h("h2", { id: "box-title" }, "Segment again from a box"));
    if (this.model || !models.length) this.makePanel();
    else {
      this.panel.append(h("p.hint", {},
        "This server has no model that takes boxes. Whoever runs it can add one: ",
        h("code", {}, "lgrseg serve --box-run FOLDER"), "."));
    }
  }

  makePanel() {
    const names = this.model?.classes ?? this.player.labels.classes.map(({ name }) => name);
    this.choice = h("select", {}, names.map((name) => h("option", { value: name }, className(name))));
    this.toggle = h("button", {
      type: "button", "aria-pressed": "false", onclick: () => this.setDrawing(!this.drawing),
    }, "Draw a box");
    this.byNumbers = h("button.quiet", { type: "button", onclick: () => this.addInMiddle() }, "Add by numbers");
    this.rows = h("ol.box-rows");
    this.problem = h("p.problem", { role: "alert", hidden: true });
    this.run = h("button.primary", { type: "button", disabled: true, onclick: () => this.send() }, "Run again");
    this.panel.append(
      h("p.hint", {}, "Draw a box around a chamber on one frame or several. The clip is segmented again from there, as a new entry of the list."),
      h("label.field", {}, h("span", {}, "Chamber"), this.choice),
      h("div.actions", {}, this.toggle, this.byNumbers),
      this.rows, this.problem, h("div.actions", {}, this.run));
  }

  setDrawing(on) {
    this.drawing = on;
    this.toggle.setAttribute("aria-pressed", String(on));
    this.toggle.textContent = on ? "Stop drawing" : "Draw a box";
    this.layer.classList.toggle("drawing", on);
    if (on) {
      this.player.pause();
      this.layer.scrollIntoView({ block: "nearest" });
    }
  }

  place(event) {
    const edge = this.layer.getBoundingClientRect();
    const x = ((event.clientX - edge.left) / edge.width) * this.width;
    const y = ((event.clientY - edge.top) / edge.height) * this.height;
    return [Math.round(Math.max(0, Math.min(this.width, x))), Math.round(Math.max(0, Math.min(this.height, y)))];
  }

  press(event) {
    if (!this.drawing || event.button !== 0) return;
    event.preventDefault();
    const [x, y] = this.place(event);
    const box = { frame: this.player.frame, class: this.choice.value, box: [x, y, x, y] };
    this.boxes.push(box);
    const move = (e) => {
      const [a, b] = this.place(e);
      box.box = [Math.min(x, a), Math.min(y, b), Math.max(x, a), Math.max(y, b)];
      this.drawLayer();
    };
    const up = () => {
      this.layer.removeEventListener("pointermove", move);
      const [x0, y0, x1, y1] = box.box;
      if (x1 - x0 < SMALLEST || y1 - y0 < SMALLEST) this.boxes.pop();
      else this.setDrawing(false);
      this.changed();
    };
    this.layer.setPointerCapture(event.pointerId);
    this.layer.addEventListener("pointermove", move);
    this.layer.addEventListener("pointerup", up, { once: true });
  }

  addInMiddle() {
    const box = [0.25, 0.25, 0.75, 0.75].map((share, k) => Math.round(share * (k % 2 ? this.height : this.width)));
    this.boxes.push({ frame: this.player.frame, class: this.choice.value, box });
    this.changed();
    this.rows.lastChild.querySelector("input").focus();
  }

  changed() {
    this.drawLayer();
    this.run.disabled = !this.boxes.length;
    put(this.rows, this.boxes.map((box, k) => this.row(box, k)));
  }

  row(box, k) {
    const fields = SIDES.map((side, n) => {
      const field = h("input", {
        type: "number", min: 0, max: n % 2 ? this.height : this.width, value: box.box[n],
        "aria-label": `${side} edge in pixels`,
        oninput: () => { box.box[n] = Number(field.value); this.drawLayer(); },
      });
      return field;
    });
    const remove = () => {
      this.boxes.splice(k, 1);
      this.changed();
      this.toggle.focus();
    };
    return h("li", {},
      h("button.link", { type: "button", onclick: () => this.player.show(box.frame) },
        `${className(box.class)}, frame ${box.frame}`),
      h("div.numbers", { role: "group", "aria-label": `Edges of box ${k + 1}` }, fields),
      h("button.link", { type: "button", "aria-label": `Remove box ${k + 1}`, onclick: remove }, "Remove"));
  }

  drawLayer() {
    put(this.layer, this.boxes.filter(({ frame }) => frame === this.player.frame).map(({ box }) =>
      s("rect", { x: box[0], y: box[1], width: Math.max(0, box[2] - box[0]), height: Math.max(0, box[3] - box[1]) })));
  }

  async send() {
    this.run.disabled = true;
    this.problem.hidden = true;
    try {
      const job = await getJson(`/v1/jobs/${this.job.id}/prompts`, { method: "POST", json: { boxes: this.boxes } });
      location.hash = `#/job/${job.id}`;
    } catch (error) {
      this.problem.hidden = false;
      this.problem.textContent = sentence(error.message);
      this.run.disabled = false;
    }
  }
}
