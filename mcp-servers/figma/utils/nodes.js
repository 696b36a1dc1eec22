// Figma's nodes as a model can use them: names, kinds, places, texts and colors; no vectors.
import { z } from 'zod';

export const nodeShape = z.object({
  id: z.string(),
  name: z.string(),
  type: z.string(),
  visible: z.boolean().optional().describe('Only when false'),
  box: z.object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() }).optional(),
  text: z.string().optional(),
  font: z.string().optional(),
  fills: z.array(z.string()).optional().describe('Colors as #rrggbb, else the kind of paint'),
  layout: z.string().optional().describe('HORIZONTAL or VERTICAL auto layout'),
  component_id: z.string().optional().describe('Of an instance'),
  get children() {
    return z.array(nodeShape).optional();
  },
  omitted_children: z.number().optional().describe('Left out for size: ask for this node by get_nodes'),
});

const MAX_TEXT_CHARACTERS = 2000;

/** The node and what is below it; at most `budget.nodes` of them, counted down. */
export function trim(node, budget) {
  budget.nodes -= 1;
  const children = [];
  for (const child of node.children ?? []) {
    if (budget.nodes <= 0) break;
    children.push(trim(child, budget));
  }
  const omitted = (node.children?.length ?? 0) - children.length;
  return definedOnly({
    id: node.id,
    name: node.name,
    type: node.type,
    visible: node.visible === false ? false : undefined,
    box: node.absoluteBoundingBox ?? undefined,
    text: node.characters?.slice(0, MAX_TEXT_CHARACTERS),
    font: fontOf(node.style),
    fills: node.fills?.length ? node.fills.map(paintOf) : undefined,
    layout: node.layoutMode,
    component_id: node.componentId,
    children: children.length ? children : undefined,
    omitted_children: omitted || undefined,
  });
}

function fontOf(style) {
  return style?.fontFamily && `${style.fontFamily} ${style.fontWeight ?? ''} ${style.fontSize ?? ''}px`.replace(/\s+/g, ' ');
}

function paintOf({ type, color }) {
  if (type !== 'SOLID' || !color) return type;
  const hex = (part) =>
    Math.round(part * 255)
      .toString(16)
      .padStart(2, '0');
  return `#${hex(color.r)}${hex(color.g)}${hex(color.b)}`;
}

function definedOnly(object) {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

/** What `trim` reads of Figma's own nodes. */
export const rawNodeShape = z.object({
  id: z.string(),
  name: z.string(),
  type: z.string(),
  visible: z.boolean().optional(),
  absoluteBoundingBox: z.object({ x: z.number(), y: z.number(), width: z.number(), height: z.number() }).nullish(),
  characters: z.string().optional(),
  style: z
    .object({ fontFamily: z.string().nullish(), fontWeight: z.number().optional(), fontSize: z.number().optional() })
    .optional(),
  fills: z
    .array(z.object({ type: z.string(), color: z.object({ r: z.number(), g: z.number(), b: z.number() }).optional() }))
    .optional(),
  layoutMode: z.string().optional(),
  componentId: z.string().optional(),
  get children() {
    return z.array(rawNodeShape).optional();
  },
});
