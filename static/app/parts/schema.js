// A form from a JSON schema: fields for what it says plainly, JSON text for the rest.
import { html } from "../lib.js";
import { Check, Select, Text } from "./fields.js";

const typeOf = (schema) => (Array.isArray(schema.type) ? schema.type.find((type) => type !== "null") : schema.type);
const isPlain = (schema) => schema.enum || ["string", "number", "integer", "boolean"].includes(typeOf(schema));

/** What the fields begin with, as text by name. */
export function initialOf(schema) {
    const values = {};
    for (const [name, property] of Object.entries(schema?.properties ?? {})) {
        if (property.default === undefined) continue;
        values[name] = typeof property.default === "string" || typeof property.default === "boolean"
            ? property.default : JSON.stringify(property.default);
    }
    return values;
}

/** The arguments that the fields say, or what is wrong, by name. @returns {{value?: object, errors?: Record<string, string>}} */
export function read(schema, values) {
    const value = {};
    const errors = {};
    for (const [name, property] of Object.entries(schema?.properties ?? {})) {
        const given = values[name];
        const isRequired = schema.required?.includes(name);
        if (given === undefined || given === "") {
            if (isRequired && typeOf(property) === "boolean") value[name] = false;
            else if (isRequired && (typeOf(property) !== "string" || property.enum)) errors[name] = "This is needed";
            else if (isRequired) value[name] = "";
            continue;
        }
        const one = readOne(property, given);
        if (one.error) errors[name] = one.error;
        else value[name] = one.value;
    }
    return Object.keys(errors).length ? { errors } : { value };
}

function readOne(property, given) {
    const type = typeOf(property);
    if (property.enum) return { value: property.enum.find((item) => String(item) === String(given)) };
    if (type === "string") return { value: given };
    if (type === "boolean") return { value: given === true || given === "true" };
    if (type === "number" || type === "integer") {
        const number = Number(given);
        const wrong = Number.isNaN(number) || (type === "integer" && !Number.isInteger(number));
        return wrong ? { error: type === "integer" ? "A whole number is needed" : "A number is needed" } : { value: number };
    }
    try {
        return { value: JSON.parse(given) };
    } catch {
        return type === "array" && property.items?.type === "string"
            ? { value: String(given).split("\n").map((line) => line.trim()).filter(Boolean) }
            : { error: "This is not JSON" };
    }
}

/** @param {{schema: any, values: Record<string, any>, errors?: Record<string, string>, onChange: (values: object) => void}} props */
export function SchemaFields({ schema, values, errors = {}, onChange }) {
    const properties = Object.entries(schema?.properties ?? {});
    if (!properties.length) return html`<p class="soft">It takes no arguments.</p>`;
    return properties.map(([name, property]) => html`<${SchemaField} key=${name} name=${name} property=${property}
        required=${schema.required?.includes(name)} value=${values[name]} error=${errors[name]}
        onValue=${(value) => onChange({ ...values, [name]: value })} />`);
}

function SchemaField({ name, property, required, value, error, onValue }) {
    const type = typeOf(property);
    const label = property.title ?? name;
    const about = { label, help: property.description, error, optional: !required, name };
    if (property.enum) {
        const options = property.enum.map((item) => [String(item), String(item)]);
        return html`<${Select} ...${about} value=${value ?? ""} options=${[["", "—"], ...options]} onText=${onValue} />`;
    }
    if (type === "boolean") return html`<${Check} label=${label} help=${property.description} checked=${value === true} onCheck=${onValue} name=${name} />`;
    if (type === "number" || type === "integer") {
        return html`<${Text} ...${about} inputmode="decimal" value=${value ?? ""} onText=${onValue} />`;
    }
    if (isPlain(property)) {
        return html`<${Text} ...${about} value=${value ?? ""} multiline=${(property.maxLength ?? 0) > 200 || /body|text|content|message|markdown/i.test(name)} rows="3" onText=${onValue} />`;
    }
    const kind = type === "array" && property.items?.type === "string" ? "One per line, or JSON" : "JSON";
    return html`<${Text} ...${about} help=${[property.description, kind].filter(Boolean).join(" — ")} multiline rows="3" class="mono" value=${value ?? ""} onText=${onValue} />`;
}
