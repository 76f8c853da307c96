// A player that draws by frame number: what is on the canvas is always the frame that it names.

import { Overlay } from "./overlay.js";

/**
 * Draws frames and masks. Sends "frame" after a frame was drawn, "state" when it starts or stops.
 *
 * canvas.dataset.frame is the number of the frame on the canvas.
 */
export class Player extends EventTarget {
  constructor(canvas, frames, labels) {
    super();
    Object.assign(this, { canvas, frames, labels });
    canvas.width = frames.width;
    canvas.height = frames.height;
    this.context = canvas.getContext("2d", { alpha: false });
    this.overlay = new Overlay(labels);
    this.count = frames.count;
    this.fps = frames.fps > 0 && frames.fps < 1000 ? frames.fps : 25;
    this.frame = -1;
    this.wanted = 0;
    this.speed = 1;
    this.playing = false;
    this.ended = false;
  }

  /** Show a frame; numbers outside the clip mean its first or last frame. */
  async show(number) {
    const i = Math.max(0, Math.min(this.count - 1, Math.round(number)));
    this.wanted = i;
    if (!this.draw(i)) {
      await Promise.all([this.frames.get(i), this.labels.get(i)]);
      if (this.wanted !== i || this.ended) return;
      if (!this.draw(i)) return this.show(i); // dropped in between
    }
    this.prefetch(i);
  }

  /** Draw a frame if it and its masks are there; tells whether it was drawn. */
  draw(i) {
    const bitmap = this.frames.peek(i);
    const map = this.labels.peek(i);
    if (!bitmap || !map) return false;
    this.context.drawImage(bitmap, 0, 0);
    const colours = this.overlay.paint(map);
    if (colours) this.context.drawImage(colours, 0, 0);
    this.map = map;
    this.frame = i;
    this.canvas.dataset.frame = i;
    this.dispatchEvent(new Event("frame"));
    return true;
  }

  /** Draw the frame again, after the style of the overlay was changed. */
  redraw() {
    if (this.frame >= 0) this.show(this.frame);
  }

  /** Decode what is shown next; errors are reported when the frame itself is asked for. */
  prefetch(i) {
    const ahead = this.playing ? this.frames.ahead : 3;
    for (let k = 1; k <= Math.min(ahead, this.count - 1); k++) {
      this.frames.get((i + k) % this.count).catch(() => {});
    }
    this.labels.get((i + ahead) % this.count).catch(() => {});
    if (!this.playing && i > 0) this.frames.get(i - 1).catch(() => {});
  }

  step(by) {
    this.pause();
    return this.show(this.wanted + by);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.dispatchEvent(new Event("state"));
  }

  play() {
    if (this.playing || this.count < 2) return;
    this.playing = true;
    this.dispatchEvent(new Event("state"));
    let start = performance.now();
    let from = this.wanted === this.count - 1 ? 0 : this.wanted;
    const tick = (now) => {
      if (!this.playing || this.ended) return;
      const passed = Math.floor(((now - start) * this.fps * this.speed) / 1000);
      const due = (from + Math.max(0, passed)) % this.count;
      if (due !== this.frame) {
        this.wanted = due;
        if (this.draw(due)) {
          this.prefetch(due);
        } else {
          // Not decoded yet: wait for it, and let the clock wait too.
          [start, from] = [now, due];
          Promise.all([this.frames.get(due), this.labels.get(due)]).catch((error) => {
            this.pause();
            this.dispatchEvent(new CustomEvent("problem", { detail: error }));
          });
        }
      }
      requestAnimationFrame(tick);
    };
    this.setSpeed = (speed) => {
      [start, from, this.speed] = [performance.now(), this.wanted, speed];
    };
    requestAnimationFrame(tick);
  }

  setSpeed(speed) {
    this.speed = speed;
  }

  /** Stop for good. */
  close() {
    this.pause();
    this.ended = true;
  }
}
