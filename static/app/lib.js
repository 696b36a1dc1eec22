// The libraries, under one name.
import { h } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export { h, render, Fragment, Component, createContext } from "../vendor/preact.js";
export {
    useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useId, useContext,
} from "../vendor/hooks.js";
export { signal, computed, effect, batch, untracked, useSignal, useComputed } from "../vendor/signals.js";

/** Markup: html`<p class="x">${value}</p>`. Values are text, never markup. */
export const html = htm.bind(h);
