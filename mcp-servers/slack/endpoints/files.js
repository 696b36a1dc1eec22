import { z } from 'zod';

import { fileContent, fileFields } from '../../_shared/files.js';
import { OutsideProblem, Problem } from '../../_shared/problem.js';
import { READS } from '../../_shared/tools.js';
import { part, parts } from '../utils/answers.js';
import { nextPage, pageNumber } from '../utils/pages.js';
import { channel, fileForm, next, paging } from '../utils/schemas.js';
import { fileView } from '../utils/views.js';

/** A file travels inside an answer: larger ones are not for a model. */
const MAX_FILE_BYTES = 2 * 1024 * 1024;

export const files = [
  {
    name: 'list_files',
    title: 'List files',
    description: 'List files shared in the workspace, newest first; of one channel or of one person where given.',
    annotations: READS,
    input: z.object({
      channel: channel.optional().describe('Only files of this channel'),
      user: z.string().max(100).optional().describe('Only files of this person, by id'),
      ...paging(50, 200),
    }),
    output: z.object({ files: z.array(fileForm), total: z.int(), next }),
    rest: 'GET /files',
    async run({ call }, { limit, cursor, ...filter }) {
      const answer = await call('files.list', { ...filter, count: limit, page: pageNumber(cursor) });
      const found = parts(answer, 'files', fileView);
      return { files: found, total: answer.paging?.total ?? found.length, next: nextPage(answer.paging) };
    },
  },
  {
    name: 'read_file',
    title: 'Read a file',
    description: `Read the content of a file by its id: texts as text, anything else as base64. At most ${MAX_FILE_BYTES / 1024} KiB.`,
    annotations: READS,
    input: z.object({
      file: z.string().min(1).max(100).describe('Id of the file, such as F0123456789; list_files gives it'),
    }),
    output: fileForm.extend({
      text: z.string().optional().describe('The content, where it is a text'),
      data: z.string().optional().describe('The content as base64, where it is none'),
    }),
    rest: 'GET /files/:file',
    content: (result) => fileContent(`slack-file:///${result.id}`, result),
    async run({ call, download }, input) {
      const file = part(await call('files.info', { file: input.file }), 'file', (info) => info);
      const about = fileView(file);
      if (about.size > MAX_FILE_BYTES) throw tooLarge(about);
      const { bytes, isPage } = await download(file.url_private_download ?? file.url_private ?? '');
      if (isPage && about.mime_type !== 'text/html') throw noAccess();
      if (bytes.length > MAX_FILE_BYTES) throw tooLarge({ ...about, size: bytes.length });
      return { ...about, ...fileFields(bytes, about.mime_type) };
    },
  },
];

const tooLarge = ({ name, size, permalink }) =>
  new Problem(
    413,
    `${name} has ${size} bytes, more than the ${MAX_FILE_BYTES} that can be read here${permalink ? `: open ${permalink}` : ''}`,
    { code: 'too_large' },
  );

const noAccess = () =>
  new OutsideProblem('Slack', 200, 'the sign-in page came in place of the file', {
    code: 'forbidden',
    hint: 'The token needs the scope files:read.',
  });
