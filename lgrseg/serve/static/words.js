// Numbers and states in words.

/** A sentence: a capital at the start, a full stop at the end. */
export function sentence(text) {
  const trimmed = String(text).trim();
  if (!trimmed) return "";
  return trimmed[0].toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
}

/** The name of a class: left_ventricle becomes "Left ventricle". */
export function className(name) {
  const words = name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}

/** Bytes for people. */
export function bytes(count) {
  if (count < 1000) return `${count} ${count === 1 ? "byte" : "bytes"}`;
  if (count < 1e6) return `${(count / 1e3).toFixed(0)} kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB`;
  return `${(count / 1e9).toFixed(1)} GB`;
}

/** Seconds for people, rounded so that the text does not flicker. */
export function duration(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds / 5) * 5 || 5} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** When something happened. */
export function when(seconds) {
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? time : `${date.toLocaleDateString([], { day: "numeric", month: "short" })}, ${time}`;
}

/** A number with fixed decimals, or a dash. */
export function number(value, decimals = 1) {
  return value === null || value === undefined ? "–" : value.toFixed(decimals);
}

const STAGES = {
  waiting: "Waiting",
  decoding: "Reading the clip",
  segmenting: "Finding the chambers",
  measuring: "Measuring",
  writing: "Writing the results",
  paused: "Paused for a shorter clip",
};

/** What a job does now. */
export function stateOf(job) {
  if (job.stage === "no_model") return "Waits for a model that the service does not have now";
  if (job.state === "queued") {
    if (!job.position) return "Next in line";
    return job.position === 1 ? "One job before it" : `${job.position} jobs before it`;
  }
  if (job.state === "running") return STAGES[job.stage] ?? "Running";
  return { done: "Done", failed: "Failed", cancelled: "Cancelled", expired: "Expired" }[job.state];
}

/** The time that a running job still takes. */
export function timeLeft(job) {
  if (job.state !== "running" || job.eta_seconds === null) return "";
  return job.eta_seconds < 3 ? "almost done" : `about ${duration(job.eta_seconds)} left`;
}

/** Frames and size of a clip, for a list. */
export function shortFactsOf(job) {
  return [job.frames === 1 ? "1 frame" : `${job.frames} frames`, `${job.size[1]} × ${job.size[0]} pixels`];
}

/** Frames, size, rate and spacing of a clip. */
export function factsOf(job) {
  const facts = shortFactsOf(job);
  if (job.fps && job.frames > 1) facts.push(`${Number(job.fps.toFixed(1))} frames/s`);
  const spacing = [...new Set(job.spacing_mm?.toReversed().map((mm) => mm.toFixed(2)))]; // as the size
  if (spacing.length) facts.push(`${spacing.join(" × ")} mm/pixel`);
  else facts.push("spacing not known");
  return facts;
}

export const ENDED = ["done", "failed", "cancelled", "expired"];
