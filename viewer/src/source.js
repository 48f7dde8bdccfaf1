// Where the data come from: the server that handed out this page, the page itself (an export), or a
// notebook's kernel.

import { host } from "./host.js";

const inline = (name) => document.getElementById(`block:${name}`);

async function inflate(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** True if this page carries its data and no server stands behind it. */
export const exported = () => inline("scene") !== null;

/** Bytes received so far, for those who measure. */
export const received = { bytes: 0 };

/** The bytes of a block; null if an export does not contain it. */
export async function fetchBlock(name) {
  if (exported()) {
    const element = inline(name);
    return element ? inflate(Uint8Array.from(atob(element.textContent), (c) => c.charCodeAt(0))) : null;
  }
  if (host) {
    const packed = await host.ask(name);
    received.bytes += packed?.byteLength ?? 0;
    return packed && inflate(packed);
  }
  const answer = await fetch(name);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(await answer.text());
  const buffer = await answer.arrayBuffer();
  received.bytes += buffer.byteLength;
  return buffer;
}

const TYPES = {
  u1: Uint8Array, u2: Uint16Array, u4: Uint32Array,
  i2: Int16Array, i4: Int32Array, f4: Float32Array, f8: Float64Array,
};

/** Head and arrays of a packed block: the arrays are views, nothing is copied. */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const [name, place] of Object.entries(head.arrays)) {
    const count = place.shape.reduce((a, b) => a * b, 1);
    arrays[name] = new TYPES[place.type](buffer, 4 + length + place.offset, count);
  }
  return { head, arrays };
}

export async function fetchPacked(name) {
  const buffer = await fetchBlock(name);
  return buffer && unpack(buffer);
}

export async function fetchStatus() {
  const buffer = await fetchBlock("status");
  return JSON.parse(new TextDecoder().decode(buffer));
}
