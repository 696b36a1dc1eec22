import { createConnect } from '../api/figma.js';
import { assets } from './assets.js';
import { comments } from './comments.js';
import { files } from './files.js';
import { library } from './library.js';
import { getMe, projects } from './projects.js';

/** What `_shared` serves: all tools of Figma, and how they reach it. */
export function createService(settings) {
  const connect = createConnect(settings);
  return {
    name: 'figma',
    title: 'Figma',
    version: '0.1.0',
    instructions:
      'A file is named by its key or its address. Look at a file with get_file first, then at parts of it with get_nodes.',
    tools: [...projects, ...files, ...assets, ...library, ...comments],
    connect,
    async check(context) {
      const { id, handle } = await getMe(connect(context));
      return { id, handle };
    },
  };
}
