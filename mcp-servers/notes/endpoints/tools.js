// What an MCP client sees: five tools, and a resource per note.
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/server';
import { z } from 'zod';

import { MAX_TEXT_CHARACTERS, MAX_TITLE_CHARACTERS } from '../api/notebook.js';
import { Problem } from '../utils/problem.js';

const id = z.string().describe('The id of the note, as list_notes gives it');
const title = z.string().min(1).max(MAX_TITLE_CHARACTERS).describe('A short title');
const text = z.string().max(MAX_TEXT_CHARACTERS).describe('The text of the note');
const query = z.string().min(1).max(MAX_TITLE_CHARACTERS).describe('Words that title or text must hold');

/** A server for one client of the notebook. Both eras of the protocol use the same one. */
export function createMcpServer(notebook) {
  const server = new McpServer(
    { name: 'notes', title: 'Notes', version: '0.1.0' },
    { capabilities: { resources: { listChanged: true } } },
  );
  const reading = { readOnlyHint: true, openWorldHint: false };
  const tool = (name, description, inputSchema, annotations, work) =>
    server.registerTool(name, { description, inputSchema: z.object(inputSchema), annotations }, answering(work));

  tool('add_note', 'Write a new note', { title, text }, { destructiveHint: false, openWorldHint: false }, (note) =>
    notebook.add(note));
  tool('list_notes', 'List all notes, newest first, without their texts', {}, reading, () => ({ notes: notebook.list() }));
  tool('read_note', 'Read one note', { id }, reading, (input) => notebook.read(input.id));
  tool('search_notes', 'Find notes by words in title or text', { query }, reading, (input) => ({
    notes: notebook.search(input.query),
  }));
  tool('delete_note', 'Delete one note for good', { id }, { destructiveHint: true, openWorldHint: false }, async (input) => {
    await notebook.delete(input.id);
    return { deleted: input.id };
  });
  addResources(server, notebook);
  return server;
}

function addResources(server, notebook) {
  const list = () => ({
    resources: notebook.list().map((note) => ({ uri: `note:///${note.id}`, name: note.title, mimeType: 'text/plain' })),
  });
  const about = { title: 'Notes', description: 'The text of a note', mimeType: 'text/plain' };
  server.registerResource('note', new ResourceTemplate('note:///{id}', { list }), about, (uri, variables) => {
    const note = notebook.read(variables.id);
    return { contents: [{ uri: uri.href, mimeType: 'text/plain', text: note.text }] };
  });
}

/** The result as structured content and as text; a Problem as an error that the model can act on. */
function answering(work) {
  return async (input) => {
    try {
      const result = await work(input);
      return { content: [{ type: 'text', text: JSON.stringify(result, null, 2) }], structuredContent: result };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { content: [{ type: 'text', text: error.message }], isError: true };
    }
  };
}
