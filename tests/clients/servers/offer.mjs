// What every server here offers, whichever SDK says it.

export const GREETING = { uri: 'test://greeting', mimeType: 'text/plain', text: 'Good morning.' };

export const ANSWER_SCHEMA = {
    type: 'object',
    properties: { answer: { type: 'string', title: 'Answer' } },
    required: ['answer'],
};

export const said = (text) => ({ content: [{ type: 'text', text }] });

export const promptText = (subject) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Summarize ${subject}.` } }],
});

export function textOfModel({ model, content }) {
    const parts = Array.isArray(content) ? content : [content];
    return `${model}: ${parts.map((part) => part.text ?? '').join('')}`;
}

// The tool `extra`, which `change_tools` offers and withdraws. Each handle is one SDK server's registration.
export const extraTool = {
    offered: false,
    handles: new Set(),
    listeners: new Set(),
    toggle() {
        this.offered = !this.offered;
        for (const handle of this.handles) handle.update({ enabled: this.offered });
        for (const listener of this.listeners) listener();
        return this.offered;
    },
};
