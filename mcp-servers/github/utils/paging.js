const NEXT = /[?&]page=(\d+)[^>]*>;\s*rel="next"/;

/** The page that the `Link` header names as the next one; null after the last. */
export function nextPage(headers) {
  for (const link of (headers.link ?? '').split(',')) {
    const page = NEXT.exec(link)?.[1];
    if (page) return Number(page);
  }
  return null;
}

/** One page of a list, as every list tool answers it. */
export function pageOf({ data, headers }) {
  return { items: data, next_page: nextPage(headers) };
}
