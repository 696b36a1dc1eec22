import { createConnect } from '../api/github.js';
import { files } from './files.js';
import { issues } from './issues.js';
import { pulls } from './pulls.js';
import { repositories } from './repositories.js';
import { reviews } from './reviews.js';
import { search } from './search.js';

/** What `_shared` serves: all tools of GitHub, and how they reach it. */
export function createService(settings) {
  const connect = createConnect(settings);
  return {
    name: 'github',
    title: 'GitHub',
    version: '0.1.0',
    instructions:
      'Repositories are named by owner and repo. Lists come in pages: when next_page is a number, ask again with that page.',
    tools: [...repositories, ...files, ...search, ...issues, ...pulls, ...reviews],
    connect,
    async check(context) {
      const { data } = await connect(context).rest.users.getAuthenticated();
      return { login: data.login, id: data.id };
    },
  };
}
