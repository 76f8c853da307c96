// Calls of the service. Errors are problems with one sentence for the user.

const KEY = "lgrseg-token";
const RETRY_MS = 2000;
let askForToken = async () => false;

/** An error that the service, or the way to it, gave. */
export class Problem extends Error {
  constructor(status, code, detail, retryAfter = null) {
    super(detail);
    Object.assign(this, { status, code, retryAfter });
  }
}

/** The token of this tab, or null. */
export const token = () => sessionStorage.getItem(KEY);

/** Keep a token until the tab is closed; null forgets it. */
export function keepToken(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/** Set the function that asks the user for a token, and tells whether there is a new one. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

/** Headers of every call. */
export function headers(more = {}) {
  return token() ? { Authorization: `Bearer ${token()}`, ...more } : { ...more };
}

/** Call the service; a wrong or missing token is asked for once. */
export async function call(path, { json, retry = true, ...options } = {}) {
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers = { "Content-Type": "application/json", ...options.headers };
  }
  let response;
  try {
    response = await fetch(path, { ...options, headers: headers(options.headers) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "the service does not answer; is it still running?");
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.code === "no_token" && retry && (await askForToken(problem))) {
    return call(path, { ...options, retry: false });
  }
  throw problem;
}

/** Call the service, and read the answer as JSON. */
export const getJson = async (path, options) => (await call(path, options)).json();

async function problemOf(response) {
  const text = await response.text();
  return problemFrom(response.status, text, response.headers.get("Retry-After"));
}

function problemFrom(status, text, retryAfter) {
  let content = {};
  try {
    content = JSON.parse(text);
  } catch {
    // Not the service but something before it, such as a proxy.
  }
  const detail = content.detail ?? `the service answered with status ${status}`;
  return new Problem(status, content.code ?? "unknown", detail, Number(retryAfter) || null);
}

/**
 * Upload a file. XMLHttpRequest, as fetch does not tell how much was sent.
 *
 * @param {File} file
 * @param {{kind: string, key: string, wishes: Object, onProgress: function, signal: AbortSignal}} how
 *   kind is "clips" or "images"; the same key never makes a second job.
 * @returns {Promise<Object>} the job
 */
export function upload(file, { kind, key, wishes, onProgress, signal }) {
  const query = new URLSearchParams({ name: file.name.slice(0, 255), ...wishes });
  if (kind === "images") query.set("wait", "0");
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/v1/${kind}?${query}`);
    const all = headers({ "Content-Type": "application/octet-stream", "Idempotency-Key": key });
    for (const [name, value] of Object.entries(all)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(1, file.size));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        const answer = JSON.parse(request.responseText);
        resolve(answer.job ?? answer);
      } else {
        const wait = request.getResponseHeader("Retry-After");
        reject(problemFrom(request.status, request.responseText, wait));
      }
    };
    request.onerror = () =>
      reject(new Problem(0, "unreachable", "the connection broke during the upload"));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

/**
 * Follow a job by server-sent events until it has ended. Lost connections are made again.
 *
 * EventSource cannot send a token, so the stream is read by fetch.
 */
export async function* follow(id, signal) {
  const ended = ["done", "failed", "cancelled", "expired"];
  let last = "";
  while (!signal.aborted) {
    try {
      const response = await call(`/v1/jobs/${id}/events`, {
        signal,
        headers: last ? { "Last-Event-ID": last } : {},
      });
      for await (const event of eventsOf(response.body)) {
        if (event.name === "deleted") return;
        last = event.id || last;
        const job = JSON.parse(event.data);
        yield job;
        if (ended.includes(job.state)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status >= 400 && error.status < 500) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const event = { name: "message", data: "", id: "" };
        for (const line of part.split("\n")) {
          const [, field, text] = /^(\w*): ?(.*)$/.exec(line) ?? [];
          if (field === "event") event.name = text;
          else if (field === "data") event.data += text;
          else if (field === "id") event.id = text;
        }
        if (event.data) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
