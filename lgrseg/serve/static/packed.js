// Frames and masks by frame number, from frames.bin and labels.bin (docs/service.md, "Results").

import { call } from "./api.js";
import { Recent } from "./recent.js";

const CHUNK = 1 << 20;
const CHUNKS = 48;
const BITMAP_BYTES = 200e6;
const LABEL_BYTES = 100e6;

/** A packed file, of which only the parts that are needed are fetched. */
class PackedFile {
  constructor(url) {
    this.url = url;
    this.chunks = new Recent(CHUNKS);
    this.whole = null;
  }

  /** Read the index. */
  static async open(url, mark) {
    const file = new PackedFile(url);
    const head = await file.read(0, 8);
    if (new TextDecoder().decode(head.subarray(0, 4)) !== mark) {
      throw new Error("a result of the service is damaged");
    }
    const length = new DataView(head.buffer, head.byteOffset).getUint32(4, true);
    file.index = JSON.parse(new TextDecoder().decode(await file.read(8, length)));
    file.start = 8 + length;
    return file;
  }

  /** Bytes of the data; positions are those of the index. */
  data(start, length) {
    return this.read(this.start + start, length);
  }

  async read(start, length) {
    const first = Math.floor(start / CHUNK);
    const last = Math.floor((start + Math.max(length, 1) - 1) / CHUNK);
    const numbers = Array.from({ length: last - first + 1 }, (_, k) => first + k);
    const chunks = await Promise.all(
      numbers.map((k) => this.chunks.get(k, () => this.fetchChunk(k))),
    );
    const from = start - first * CHUNK;
    if (chunks.length === 1) return chunks[0].subarray(from, from + length);
    const joined = new Uint8Array(await new Blob(chunks).arrayBuffer());
    return joined.subarray(from, from + length);
  }

  async fetchChunk(k) {
    if (!this.whole) {
      const range = `bytes=${k * CHUNK}-${(k + 1) * CHUNK - 1}`;
      const response = await call(this.url, { headers: { Range: range } });
      const content = new Uint8Array(await response.arrayBuffer());
      if (response.status === 206) return content;
      this.whole = content; // ranges were not honoured
    }
    return this.whole.subarray(k * CHUNK, (k + 1) * CHUNK);
  }
}

/** The frames of a clip as bitmaps. */
export class Frames {
  static async open(url) {
    const frames = new Frames();
    frames.file = await PackedFile.open(url, "LGF1");
    const { width, height, frames: list, fps } = frames.file.index;
    Object.assign(frames, { width, height, fps, count: list.length });
    const limit = Math.max(8, Math.min(128, Math.floor(BITMAP_BYTES / (width * height * 4))));
    frames.bitmaps = new Recent(limit, (bitmap) => bitmap.close());
    frames.ahead = Math.min(24, limit - 4);
    return frames;
  }

  get(i) {
    return this.bitmaps.get(i, async () => {
      const [start, length] = this.file.index.frames[i];
      const picture = await this.file.data(start, length);
      return createImageBitmap(new Blob([picture], { type: this.file.index.media_type }));
    });
  }

  peek(i) {
    return this.bitmaps.peek(i);
  }
}

/** The label maps of a clip: one byte for each pixel, 0 for the background. */
export class Labels {
  static async open(url) {
    const labels = new Labels();
    labels.file = await PackedFile.open(url, "LGL1");
    const { width, height, classes, blocks } = labels.file.index;
    Object.assign(labels, { width, height, classes });
    const size = Math.max(1, ...blocks.map((block) => block[3] * width * height));
    labels.blocks = new Recent(Math.max(2, Math.floor(LABEL_BYTES / size)));
    return labels;
  }

  blockOf(i) {
    const { blocks } = this.file.index;
    return blocks.findIndex(([, , first, number]) => i >= first && i < first + number);
  }

  async get(i) {
    const block = this.blockOf(i);
    await this.blocks.get(block, () => this.unpack(block));
    return this.peek(i);
  }

  peek(i) {
    const block = this.blockOf(i);
    const maps = this.blocks.peek(block);
    const size = this.width * this.height;
    const k = i - this.file.index.blocks[block][2];
    return maps?.subarray(k * size, (k + 1) * size);
  }

  async unpack(block) {
    const [start, length] = this.file.index.blocks[block];
    const packed = new Blob([await this.file.data(start, length)]);
    const stream = packed.stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
}
