// The notebook: one file per note, all of them in memory too. This module alone touches the files.
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { syncFolder, writeAtomic } from '../utils/atomic.js';
import { log } from '../utils/log.js';
import { Problem } from '../utils/problem.js';

export const MAX_TITLE_CHARACTERS = 200;
export const MAX_TEXT_CHARACTERS = 100_000;
export const MAX_NOTES = 10_000;

const FILE_NAME = /^([0-9a-f]{12})\.json$/;

export class Notebook {
  #folder;
  #notes;
  #onChange = () => {};
  /** Notes whose files are being written: they count against the limit. */
  #writing = 0;

  constructor(folder, notes) {
    this.#folder = folder;
    this.#notes = notes;
  }

  /** Reads all notes of the folder, which is made when it is not there. */
  static async open(folder) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const notes = new Map();
    for (const file of await readdir(folder)) {
      const path = join(folder, file);
      if (file.endsWith('.tmp')) {
        await rm(path, { force: true });
        continue;
      }
      const id = FILE_NAME.exec(file)?.[1];
      if (!id) continue;
      try {
        const { title, text, created_at } = JSON.parse(await readFile(path, 'utf8'));
        if (typeof title !== 'string' || typeof text !== 'string') throw new Error('title and text must be texts');
        notes.set(id, { id, title, text, created_at });
      } catch (error) {
        log('note left out', { file, error: error.message });
      }
    }
    return new Notebook(folder, notes);
  }

  /** Calls `listener` after each note that is added or deleted. */
  onChange(listener) {
    this.#onChange = listener;
  }

  get size() {
    return this.#notes.size;
  }

  async add({ title, text }) {
    checkText('title', title, 1, MAX_TITLE_CHARACTERS);
    checkText('text', text, 0, MAX_TEXT_CHARACTERS);
    if (this.size + this.#writing >= MAX_NOTES) {
      throw new Problem(409, `the notebook is full: ${MAX_NOTES} notes; delete some first`);
    }
    const id = randomUUID().replaceAll('-', '').slice(0, 12);
    const note = { id, title: title.trim(), text, created_at: new Date().toISOString() };
    this.#writing += 1;
    try {
      await writeAtomic(this.#path(id), JSON.stringify(note));
      this.#notes.set(id, note);
    } finally {
      this.#writing -= 1;
    }
    this.#onChange();
    return note;
  }

  /** Titles without texts, newest first. */
  list() {
    return this.#sorted().map(summary);
  }

  read(id) {
    const note = this.#notes.get(id);
    if (!note) throw new Problem(404, `there is no note ${JSON.stringify(id)}`);
    return note;
  }

  async delete(id) {
    this.read(id);
    await rm(this.#path(id), { force: true });
    await syncFolder(this.#folder);
    this.#notes.delete(id);
    this.#onChange();
  }

  /** Notes whose title or text holds every word, newest first. Case does not matter. */
  search(query) {
    checkText('query', query, 1, MAX_TITLE_CHARACTERS);
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (note) => {
      const searched = `${note.title}\n${note.text}`.toLowerCase();
      return words.every((word) => searched.includes(word));
    };
    return this.#sorted().filter(matches).map(summary);
  }

  /** `id` is a key of the notebook or of our making: never a path. */
  #path(id) {
    return join(this.#folder, `${id}.json`);
  }

  #sorted() {
    return [...this.#notes.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  }
}

function summary({ id, title, created_at }) {
  return { id, title, created_at };
}

function checkText(name, value, least, most) {
  if (typeof value !== 'string' || value.trim().length < least || value.length > most) {
    throw new Problem(400, `${name} must be a text of ${least} to ${most} characters`);
  }
}
