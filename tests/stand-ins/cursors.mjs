/** One page of `items` beginning at `offset`, and the offset of the next page if there is one. */
export function pageOf(items, offset, size) {
  const next = offset + size;
  return { page: items.slice(offset, next), next: next < items.length ? next : undefined };
}

/** A cursor that clients cannot guess the meaning of, as vendors give. */
export const toCursor = (offset) => (offset === undefined ? '' : Buffer.from(`at:${offset}`).toString('base64url'));

/** The offset of a cursor; 0 without one; undefined for one that is not ours. */
export function fromCursor(cursor) {
  if (!cursor) return 0;
  const found = /^at:(\d+)$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'));
  return found ? Number(found[1]) : undefined;
}
