const TYPES = {
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  md: 'text/markdown',
  pdf: 'application/pdf',
  png: 'image/png',
  svg: 'image/svg+xml',
  webp: 'image/webp',
  zip: 'application/zip',
};

/** By the name's ending, as GitHub tells none; undefined for one not known here. */
export function mimeType(name) {
  return TYPES[name.slice(name.lastIndexOf('.') + 1).toLowerCase()];
}
