import { Problem } from '../../_shared/problem.js';

/** The cursor of the next page, where Slack gives one; it says the empty text on the last. */
export const nextOf = ({ response_metadata }) => response_metadata?.next_cursor || undefined;

/** For methods that count pages: the number of the page that a cursor of ours stands for. */
export function pageNumber(cursor) {
  if (cursor === undefined) return 1;
  const found = /^page:([1-9]\d{0,5})$/.exec(cursor);
  if (!found) throw new Problem(400, 'cursor: must be the `next` of the page before', { code: 'bad_arguments' });
  return Number(found[1]);
}

export const nextPage = ({ page = 1, pages = 1 } = {}) => (page < pages ? `page:${page + 1}` : undefined);
