// Uploads: what was dropped or chosen is checked, sent, and becomes a job.

import { upload } from "./api.js";
import { announce, h } from "./dom.js";
import { bytes, sentence } from "./words.js";

const STILLS = /\.(png|jpe?g|bmp)$/i;
const AT_ONCE = 2;
const TRIES = 5;
const HIDDEN = /^(\.|Thumbs\.db$|desktop\.ini$)/;

/** Files of a drop, also of folders in it, each with its path in them. */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosenFiles(transfer.files);
  const found = [];
  const walk = async (entry) => {
    if (HIDDEN.test(entry.name)) return;
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ file, path: entry.fullPath.slice(1) });
      return;
    }
    const reader = entry.createReader();
    while (true) { // a reader gives at most 100 entries at a time
      const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!part.length) return;
      for (const inner of part) await walk(inner);
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}

/** Files of an input, each with its path in the folder that was chosen. */
export function chosenFiles(files) {
  return [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }))
    .filter(({ path }) => !path.split("/").some((part) => HIDDEN.test(part)));
}

/** The uploads of this page; two are sent at a time. */
export class Uploads {
  /**
   * @param {HTMLElement} list element that shows them
   * @param {function} onJob called with every new job, and the number of uploads that still run
   */
  constructor(list, onJob) {
    Object.assign(this, { list, onJob, waiting: [], running: 0, limit: Infinity, done: 0 });
  }

  /** Add files with their paths, and the settings of the form. */
  add(files, wishes) {
    for (const { file, path } of files) {
      const row = this.row(file, path);
      this.list.append(row.element);
      const problem = this.refusal(file);
      if (problem) row.fail(problem);
      else this.waiting.push({ file, row, wishes });
    }
    if (files.length > 1) announce(`${files.length} files were added.`);
    this.next();
  }

  /** Why a file is not sent at all, or null. */
  refusal(file) {
    if (file.size === 0) return "the file is empty";
    if (file.size <= this.limit) return null;
    return `the file has ${bytes(file.size)}, and this server takes ${bytes(this.limit)} at most; nothing was sent`;
  }

  row(file, path) {
    const stop = new AbortController();
    const bar = h("progress", { max: 1, value: 0, "aria-label": `Upload of ${path}` });
    const state = h("span.row-state", {}, "Waiting");
    const problem = h("p.problem", { role: "alert", hidden: true });
    const button = h("button.link", { type: "button", "aria-label": `Stop ${path}`, onclick: () => stop.abort() }, "Stop");
    const element = h("li.upload", {}, h("b", {}, path), h("small", {}, bytes(file.size)), bar, state, button, problem);
    stop.signal.addEventListener("abort", () => element.remove());
    return {
      element, signal: stop.signal,
      progress: (share) => {
        bar.value = share;
        state.textContent = share < 1 ? `${Math.floor(100 * share)} %` : "Reading the clip";
        if (share >= 1) bar.removeAttribute("value");
      },
      say: (text) => { state.textContent = text; },
      fail: (text) => {
        bar.remove();
        state.remove();
        button.textContent = "Dismiss";
        button.setAttribute("aria-label", `Dismiss ${path}`);
        problem.hidden = false;
        problem.textContent = sentence(text);
      },
    };
  }

  next() {
    while (this.running < AT_ONCE && this.waiting.length) {
      const one = this.waiting.shift();
      if (one.row.signal.aborted) continue;
      this.running += 1;
      this.send(one).finally(() => { this.running -= 1; this.next(); });
    }
  }

  async send({ file, row, wishes }) {
    const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
    const kind = STILLS.test(file.name) ? "images" : "clips";
    for (let attempt = 1; ; attempt++) {
      try {
        const job = await upload(file, { kind, key, wishes, onProgress: row.progress, signal: row.signal });
        row.element.remove();
        this.onJob(job, this.running + this.waiting.length);
        return;
      } catch (error) {
        if (error.name === "AbortError") return;
        const wait = error.retryAfter ?? (error.status === 0 ? 3 : null);
        if (wait === null || wait > 120 || attempt >= TRIES) {
          row.fail(error.message);
          return;
        }
        row.say(`${sentence(error.message)} Tries again in ${Math.ceil(wait)} s`);
        await new Promise((resolve) => setTimeout(resolve, wait * 1000));
        if (row.signal.aborted) return;
      }
    }
  }
}
