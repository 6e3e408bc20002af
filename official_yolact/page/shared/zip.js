/** Several files as one: a ZIP archive, nothing compressed. */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) {
    value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return value >>> 0;
});

/** Put files, each a name and its bytes, into an archive. */
export function makeZip(files) {
  const parts = [];
  const entries = [];
  let at = 0;
  for (const [name, bytes] of files) {
    const title = new TextEncoder().encode(name);
    // Version, names in UTF-8, stored, 1 January 1980, sum, sizes, length of the name.
    const common = [[20, 2], [0x800, 2], [0, 2], [0, 2], [33, 2], [sum(bytes), 4], [bytes.length, 4]];
    common.push([bytes.length, 4], [title.length, 2], [0, 2]);
    const head = write([[0x04034b50, 4], ...common]);
    entries.push(write([[0x02014b50, 4], [20, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]]), title);
    parts.push(head, title, bytes);
    at += head.length + title.length + bytes.length;
  }
  const size = entries.reduce((total, entry) => total + entry.length, 0);
  const count = files.length;
  const end = write([[0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [at, 4], [0, 2]]);
  return new Blob([...parts, ...entries, end], { type: "application/zip" });
}

/** Write numbers, each with its count of bytes, lowest byte first. */
function write(numbers) {
  return Uint8Array.from(numbers.flatMap(([value, count]) => [0, 8, 16, 24].slice(0, count).map((bit) => value >>> bit)));
}

function sum(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  }
  return ~value >>> 0;
}
