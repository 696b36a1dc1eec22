// A service's operations: described once, used by MCP, by `mcp/call` and by REST alike.
import { describe, internal } from './http.js';
import { log } from './log.js';
import { Problem } from './problem.js';

/** Annotations. All tools act on the outside world. */
export const READS = { readOnlyHint: true, openWorldHint: true };
/** Adds something; a second call adds a second one. */
export const ADDS = { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true };
/** Sets something to a value; a second call changes nothing more. */
export const SETS = { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true };
/** Cannot be taken back. */
export const DESTROYS = { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true };

const TARGET = { target: 'draft-2020-12' };

/**
 * The tools by name, and their list as MCP shows it, made once.
 * See README.md for the shape of a tool.
 */
export function createToolbox(tools) {
  const byName = new Map(tools.map((tool) => [tool.name, { ...tool, input: tool.input.strict() }]));
  if (byName.size !== tools.length) throw new Error('two tools have the same name');
  const list = [...byName.values()].map(({ name, title, description, input, output, annotations }) => ({
    name,
    title,
    description,
    inputSchema: schemaOf(input, 'input'),
    outputSchema: schemaOf(output, 'output'),
    annotations: { title, ...annotations },
  }));
  return { byName, list };
}

function schemaOf(schema, side) {
  const { $schema: _, ...rest } = schema['~standard'].jsonSchema[side](TARGET);
  return rest;
}

/**
 * Runs one tool. `connect(context)` gives what the tool works with; it is made anew for each call.
 * @returns the checked result; throws a Problem.
 */
export async function runTool(tool, input, context, connect) {
  const checked = tool.input.safeParse(input ?? {});
  if (!checked.success) throw new Problem(400, `${tool.name}: ${reasons(checked.error)}`, { code: 'bad_arguments' });
  const began = performance.now();
  const fields = () => ({ instance: context.instanceId, tool: tool.name, ms: Math.round(performance.now() - began) });
  try {
    const result = tool.output.safeParse(await tool.run(await connect(context), checked.data, context));
    if (!result.success) {
      throw new Problem(502, `the answer had not the expected form: ${reasons(result.error)}`, {
        code: 'outside_malformed',
      });
    }
    log.debug('call', fields());
    return result.data;
  } catch (error) {
    const code = error instanceof Problem ? error.code : 'internal';
    log.info('call failed', { ...fields(), code });
    throw error;
  }
}

/** Runs a tool and gives its result as MCP wants it: structured and as text; a Problem as an error to act on. */
export async function callTool(tool, input, context, connect) {
  try {
    const result = await runTool(tool, input, context, connect);
    const content = tool.content?.(result) ?? [{ type: 'text', text: JSON.stringify(result) }];
    return { content, structuredContent: result };
  } catch (error) {
    const redact = (text) => context.redact(text);
    const problem = error instanceof Problem ? error : internal(error, redact);
    const { detail, ...rest } = describe(problem, redact);
    return { content: [{ type: 'text', text: detail }], isError: true, _meta: { 'berth/problem': rest } };
  }
}

function reasons(error) {
  return error.issues
    .slice(0, 5)
    .map(({ path, message }) => (path.length ? `${path.join('.')}: ${message}` : message))
    .join('; ');
}
