// The first view: drop clips, and the list of jobs.

import { clipModels } from "./again.js";
import { getJson } from "./api.js";
import { announce, h, icon, put } from "./dom.js";
import { drawThumbnail } from "./thumbnails.js";
import { chosenFiles, droppedFiles, Uploads } from "./uploads.js";
import { ENDED, bytes, number, sentence, shortFactsOf, stateOf, timeLeft, when } from "./words.js";

const LOOK_MS = 2000;
const VIEWS = [["unknown", "not known"], ["A4C", "apical four-chamber"], ["A2C", "apical two-chamber"]];
const FORMATS = "DICOM, mp4, mov, avi, mkv, gif, webp, NIfTI, MetaImage, TIFF, a zip of frames, or one still";

/** Show the first view in `main` until `signal` is aborted. */
export async function showHome(main, signal) {
  document.title = "lgrseg";
  const sending = h("ul.uploads", { "aria-label": "Uploads" });
  const list = new JobRows();
  const uploads = new Uploads(sending, (job, left) => {
    announce(`${job.name} was uploaded.`);
    if (!signal.aborted && left <= 1 && !list.several) location.hash = `#/job/${job.id}`;
    else list.look();
  });
  const drop = dropZone(uploads, list, signal);
  put(main, h("div.home", {},
    h("div.intro", {}, h("h1", {}, "Segment an echocardiogram"),
      h("p", {}, "Drop a clip. The chambers are outlined in every frame, and the ejection fraction is measured.")),
    drop.element, sending, list.element));
  await drop.load();
  await list.look();
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (!signal.aborted && list.active && !document.hidden) await list.look().catch(() => {});
  }
}

function dropZone(uploads, list, signal) {
  const limits = h("p.hint", { id: "limits" }, `${FORMATS}.`);
  const options = optionsForm();
  const trouble = h("p.problem", { role: "alert", hidden: true });
  const say = (text) => { trouble.textContent = text; trouble.hidden = !text; };
  const send = (files) => {
    say(files.length ? "" : "There is no file in it. Hidden files are left out.");
    list.several = files.length > 1;
    uploads.add(files, options.read());
  };
  const chooser = (more, label) => {
    const input = h("input.visually-hidden", {
      type: "file", tabindex: -1, "aria-hidden": "true", ...more,
      onchange: () => { send(chosenFiles(input.files)); input.value = ""; },
    });
    return [input, h("button", { type: "button", "aria-describedby": "limits", onclick: () => input.click() }, label)];
  };
  const [files, chooseFiles] = chooser({ multiple: true, id: "files" }, "Choose files");
  const [folder, chooseFolder] = chooser({ webkitdirectory: true, id: "folder" }, "Choose a folder");
  chooseFiles.classList.add("primary");
  const zone = h("section.drop", { "aria-label": "Upload" },
    h("div.drop-icon", {}, icon("upload")), h("p.drop-title", {}, "Drop clips or a folder here"),
    h("div.actions", {}, chooseFiles, chooseFolder), files, folder, limits, trouble, options.model, options.element);
  // The whole window takes a drop, so that a near miss does not open the file in the browser.
  let depth = 0;
  const mark = (by) => (event) => {
    event.preventDefault();
    depth = Math.max(0, depth + by);
    zone.classList.toggle("over", depth > 0);
  };
  window.addEventListener("dragenter", mark(1), { signal });
  window.addEventListener("dragleave", mark(-1), { signal });
  window.addEventListener("dragover", (event) => event.preventDefault(), { signal });
  window.addEventListener("drop", async (event) => {
    mark(-99)(event);
    try {
      send(await droppedFiles(event.dataTransfer));
    } catch (error) {
      say(`The folder could not be read, and nothing was sent: ${sentence(error.message)}`);
    }
  }, { signal });
  const load = async () => {
    const { limits: most, models } = await getJson("/v1/models", { signal });
    options.offer(clipModels(models));
    list.models = clipModels(models).length;
    uploads.limit = most.max_upload_bytes;
    put(limits, `${FORMATS}. Up to ${bytes(most.max_upload_bytes)} and ${most.max_frames.toLocaleString("en")} frames. Results are kept for ${most.keep_days} days.`);
  };
  return { element: zone, load };
}

function optionsForm() {
  const field = (label, attributes) => {
    const input = h("input", attributes);
    return [input, h("label.field", {}, h("span", {}, label), input)];
  };
  const numeric = { type: "number", min: 0.001, step: "any", placeholder: "of the file", inputmode: "decimal" };
  const [spacing, spacingLabel] = field("Millimetres per pixel", { ...numeric, max: 100 });
  const [fps, fpsLabel] = field("Frames per second", { ...numeric, max: 10000 });
  const view = h("select", {}, VIEWS.map(([value, text]) => h("option", { value }, text)));
  const viewLabel = h("label.field", {}, h("span", {}, "View, for a DICOM report"), view);
  const hide = h("input", { type: "checkbox" });
  const element = h("details.options", {}, h("summary", {}, "Options"),
    h("div.fields", {}, spacingLabel, fpsLabel, viewLabel),
    h("label.check", {}, hide, h("span", {}, "Remove personal data: black outside the fan, no file name, DICOM results without patient")));
  const model = h("select");
  const modelLabel = h("label.field", { hidden: true }, h("span", {}, "Model"), model);
  const offer = (models) => {
    put(model, models.map(({ name }) => h("option", { value: name }, name)));
    modelLabel.hidden = models.length < 2;
  };
  const read = () => ({
    ...(modelLabel.hidden ? {} : { model: model.value }),
    ...(spacing.value ? { row_mm: spacing.value, column_mm: spacing.value } : {}),
    ...(fps.value ? { fps: fps.value } : {}),
    ...(view.value === "unknown" ? {} : { view: view.value }),
    ...(hide.checked ? { deidentify: "true" } : {}),
  });
  return { element, model: modelLabel, offer, read };
}

/** The list of jobs; rows are kept while it is looked at again, so focus stays. */
class JobRows {
  constructor() {
    this.rows = new Map();
    this.chosen = new Set();
    this.active = true;
    this.several = false;
    this.models = 1;
    this.body = h("ul.jobs");
    this.empty = h("p.hint", {}, "No clips yet.");
    this.compare = h("button", { type: "button", disabled: true, onclick: () => {
      location.hash = `#/compare/${[...this.chosen].join("/")}`;
    } }, "Compare two");
    this.more = h("button.quiet", { type: "button", hidden: true, onclick: () => { this.limit += 50; this.look(); } }, "Show more");
    this.limit = 50;
    this.element = h("section.list", { "aria-labelledby": "list-title" },
      h("div.panel-head", {}, h("h2", { id: "list-title" }, "Clips"), this.compare), this.body, this.empty, this.more);
  }

  async look() {
    const { jobs, next } = await getJson(`/v1/jobs?limit=${Math.min(200, this.limit)}`);
    const ids = new Set(jobs.map((job) => job.id));
    for (const [id, row] of this.rows) {
      if (!ids.has(id)) { row.element.remove(); this.rows.delete(id); this.chosen.delete(id); }
    }
    jobs.forEach((job, k) => {
      const row = this.rows.get(job.id) ?? this.make(job);
      row.update(job);
      if (this.body.children[k] !== row.element) this.body.insertBefore(row.element, this.body.children[k] ?? null);
    });
    this.active = jobs.some((job) => !ENDED.includes(job.state));
    this.empty.hidden = jobs.length > 0;
    this.more.hidden = !next || this.limit >= 200;
    this.compare.hidden = jobs.filter((job) => job.state === "done").length < 2;
  }

  make(job) {
    const name = job.name || "Clip";
    const tick = h("input", { type: "checkbox", "aria-label": `Compare ${name}`, onchange: () => {
      if (tick.checked) this.chosen.add(job.id); else this.chosen.delete(job.id);
      this.compare.disabled = this.chosen.size !== 2;
      this.compare.textContent = this.chosen.size === 1 ? "Choose one more" : "Compare two";
    } });
    const picture = h("canvas.thumbnail", { width: 120, height: 90, "aria-hidden": "true" });
    const facts = h("p.facts");
    const state = h("span.pill");
    const fraction = h("span.ejection");
    const bar = h("progress", { max: 1, hidden: true, "aria-label": `Progress of ${name}` });
    const link = h("a.row-link", { href: `#/job/${job.id}` }, name);
    const element = h("li.job", {}, h("label.tick", {}, tick), picture, h("div.job-text", {}, link, facts, bar), fraction, state);
    let drawn = false;
    const update = (news) => {
      tick.disabled = news.state !== "done";
      const [frames, size] = shortFactsOf(news);
      put(facts, h("span", {}, frames), h("span.size", {}, size), this.models > 1 ? h("span", {}, news.model) : null, h("span", {}, when(news.created)));
      state.className = `pill ${news.state}`;
      state.textContent = stateOf(news);
      bar.hidden = ENDED.includes(news.state);
      if (news.state === "running") { bar.value = news.progress; put(facts, h("span", {}, timeLeft(news) || "Running")); }
      if (news.state === "failed") put(facts, h("span", {}, sentence(news.error?.detail ?? "")));
      const value = news.ejection_fraction;
      put(fraction, news.state !== "done" || news.frames < 2 ? "" : [h("small", {}, news.corrected ? "EF, corrected" : "EF"),
        value === null ? h("b.none", {}, "none") : h("b", {}, `${number(value)} %`)]);
      if (news.state === "done" && !drawn) { drawn = true; drawThumbnail(picture, news); }
    };
    const row = { element, update };
    this.rows.set(job.id, row);
    return row;
  }
}
