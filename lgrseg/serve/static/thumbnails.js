// Small pictures of the first frame, fetched when a row comes into view.

import { call } from "./api.js";

const HEAD = 1 << 17;

/** Draw the first frame of a job into a canvas; without it the canvas stays dark. */
export function drawThumbnail(canvas, job) {
  const seen = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    try {
      await draw(canvas, job.results.find(({ name }) => name === "frames.bin").href);
    } catch {
      // A picture of a list; the job itself says what is wrong.
    }
  });
  seen.observe(canvas);
}

async function draw(canvas, url) {
  const first = await part(url, 0, HEAD);
  const length = new DataView(first.buffer).getUint32(4, true);
  const index = await within(first, url, 8, length);
  const { frames, media_type: type } = JSON.parse(new TextDecoder().decode(index));
  const picture = await within(first, url, 8 + length + frames[0][0], frames[0][1]);
  const bitmap = await createImageBitmap(new Blob([picture], { type }));
  const scale = Math.max(canvas.width / bitmap.width, canvas.height / bitmap.height);
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  canvas.getContext("2d").drawImage(bitmap, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
  bitmap.close();
}

async function within(first, url, start, length) {
  if (start + length <= first.length) return first.subarray(start, start + length);
  return part(url, start, length);
}

async function part(url, start, length) {
  const response = await call(url, { headers: { Range: `bytes=${start}-${start + length - 1}` } });
  const content = new Uint8Array(await response.arrayBuffer());
  return response.status === 206 ? content : content.slice(start, start + length);
}
