// A zip archive without compression, as the results are compressed already.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

function crc32(content) {
  let crc = 0xffffffff;
  for (const byte of content) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Little-endian numbers: pairs of value and size in bytes. */
function packed(pairs) {
  const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [, size]) => sum + size, 0)));
  let at = 0;
  for (const [value, size] of pairs) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(view.buffer);
}

/**
 * Pack files, up to 4 GB together.
 *
 * @param {Array<{name: string, content: Uint8Array}>} files
 * @returns {Blob}
 */
export function zip(files) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, content } of files) {
    const title = new TextEncoder().encode(name);
    // Version 2.0, names in UTF-8, stored, 1980-01-01.
    const common = [
      [20, 2], [0x800, 2], [0, 2], [0, 2], [0x21, 2],
      [crc32(content), 4], [content.length, 4], [content.length, 4], [title.length, 2], [0, 2],
    ];
    const local = packed([[0x04034b50, 4], ...common]);
    parts.push(local, title, content);
    directory.push(
      packed([[0x02014b50, 4], [20, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]),
      title,
    );
    offset += local.length + title.length + content.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = packed([
    [0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [offset, 4], [0, 2],
  ]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
