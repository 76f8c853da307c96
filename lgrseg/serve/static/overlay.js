// Masks as colours.

/** Little-endian pixel of a canvas. */
const pixel = ([r, g, b], alpha) =>
  ((Math.round(alpha * 255) << 24) | (b << 16) | (g << 8) | r) >>> 0;

/** Paints label maps into a canvas of the size of the clip. */
export class Overlay {
  /** @param {{width: number, height: number, classes: Array}} labels */
  constructor({ width, height, classes }) {
    Object.assign(this, { width, height, classes });
    this.canvas = new OffscreenCanvas(width, height);
    this.context = this.canvas.getContext("2d");
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.style = { on: true, opacity: 0.35, contours: true, hidden: new Set() };
  }

  /** Paint a label map; returns the canvas, or null if nothing is to be seen. */
  paint(map) {
    const { on, opacity, contours, hidden } = this.style;
    if (!on) return null;
    const fills = new Uint32Array(256);
    const lines = new Uint32Array(256);
    for (const { label, name, color } of this.classes) {
      if (hidden.has(name)) continue;
      fills[label] = pixel(color, opacity);
      lines[label] = contours ? pixel(color, 1) : fills[label];
    }
    const { pixels, width } = this;
    const last = map.length - 1;
    for (let i = 0; i <= last; i++) {
      const label = map[i];
      if (label === 0) {
        pixels[i] = 0;
        continue;
      }
      // Beyond the edge of the picture there is background; at its sides the neighbour of the row.
      const inside =
        map[i - 1] === label && map[i + 1] === label &&
        map[i - width] === label && map[i + width] === label;
      pixels[i] = inside ? fills[label] : lines[label];
    }
    this.context.putImageData(this.image, 0, 0);
    return this.canvas;
  }
}
