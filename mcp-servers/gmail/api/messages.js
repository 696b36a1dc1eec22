// Messages of lists: Gmail lists ids alone, so that each is asked for its headers.
import { OutsideProblem } from '../../_shared/problem.js';
import { malformed } from '../middleware/errors.js';

/** Calls at once for one list: Gmail limits them for each user. */
const AT_ONCE = 8;
export const LISTED_HEADERS = ['From', 'To', 'Cc', 'Subject', 'Date'];

/** What `get(id)` gives for each of the ids, in their order, without those that are gone by now. */
export async function each(ids, get) {
  const found = new Array(ids.length);
  let at = 0;
  const work = async () => {
    while (at < ids.length) {
      const mine = at;
      at += 1;
      found[mine] = await get(ids[mine]).catch(orGone);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found.filter(Boolean);
}

function orGone(error) {
  if (error instanceof OutsideProblem && error.code === 'not_found') return undefined;
  throw error;
}

/** The ids in a list of Gmail's; it leaves an empty list out. */
export function idsOf(answer, name) {
  const list = answer[name] ?? [];
  if (!Array.isArray(list) || list.some((item) => typeof item?.id !== 'string')) throw malformed(name);
  return list.map(({ id }) => id);
}

export const getSummary = (api) => (id) =>
  api.get(`messages/${id}`, { format: 'metadata', metadataHeaders: LISTED_HEADERS });
