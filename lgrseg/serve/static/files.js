// Result files of a job: each for itself, or all in one zip.

import { call } from "./api.js";
import { announce, h, icon } from "./dom.js";
import { bytes, sentence } from "./words.js";
import { zip } from "./zip.js";

const TITLES = {
  "report.html": "Report",
  "overlay.mp4": "Film with overlay",
  "measurements.csv": "Measurements, table",
  "measurements.json": "Measurements, JSON",
  "masks.nii.gz": "Masks, NIfTI",
  "masks.json": "Masks, COCO run lengths",
  "clip.dcm": "DICOM clip without personal data",
  "seg.dcm": "DICOM segmentation",
  "report.dcm": "DICOM report, measured beats",
  "preview.png": "Preview",
};
const OF_THE_PLAYER = ["frames.bin", "labels.bin"];

/** Let the browser save a blob. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/** The files that a person may want. */
export function filesOf(job) {
  const report = { name: "report.html", href: job.links["report.html"], bytes: null };
  return [report, ...job.results.filter(({ name }) => !OF_THE_PLAYER.includes(name))]
    .filter(({ href }) => href)
    .sort((a, b) => rank(a) - rank(b));
}

function rank({ name }) {
  const k = Object.keys(TITLES).indexOf(name);
  return k < 0 ? 99 : k;
}

/** The list of files with a button for all of them. */
export function filesPanel(job) {
  const problem = h("p.problem", { role: "alert", hidden: true });
  const attempt = async (button, act) => {
    button.disabled = true;
    problem.hidden = true;
    try {
      await act();
    } catch (error) {
      problem.hidden = false;
      problem.textContent = sentence(error.message);
    }
    button.disabled = false;
  };
  const stem = job.name.replace(/\.[^.]*$/, "") || job.id.slice(0, 8);
  // By fetch, as a link cannot send the token.
  const rows = filesOf(job).map((file) => {
    const button = h("button.file", {
      type: "button",
      onclick: () => attempt(button, async () => {
        save(await (await call(file.href)).blob(), `${stem}_${file.name}`);
      }),
    },
    h("span", {}, TITLES[file.name] ?? file.name),
    h("small", {}, file.name),
    h("small.size", {}, file.bytes === null ? "" : bytes(file.bytes)));
    return h("li", {}, button);
  });
  const label = h("span", {}, "Download all");
  const all = h("button.primary", {
    type: "button",
    onclick: () => attempt(all, async () => {
      save(await archive(job, (text) => { label.textContent = text; }), `${stem}.zip`);
      announce("The zip file is ready.");
    }).finally(() => { label.textContent = "Download all"; }),
  }, icon("download"), label);
  return h("section.panel", { "aria-labelledby": "files-title" },
    h("div.panel-head", {}, h("h2", { id: "files-title" }, "Files"), all),
    problem, h("ul.files", {}, rows));
}

async function archive(job, tell) {
  const files = [];
  const list = [...filesOf(job), { name: "beats.json", href: job.links.beats }];
  for (const { name, href } of list) {
    tell(`${files.length + 1} of ${list.length}`);
    const response = await call(href);
    files.push({ name, content: new Uint8Array(await response.arrayBuffer()) });
  }
  return zip(files);
}
