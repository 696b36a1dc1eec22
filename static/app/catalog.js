// The catalog: fetched once, when it is first needed, and again after being offline.
import { computed, signal } from "./lib.js";
import { get, refresh } from "./api.js";

const list = signal(/** @type {any[]|null} */ (null));
/** Why it could not be fetched. */
export const catalogFailure = signal(null);
/** Services by name; `null` until they are known. */
export const services = computed(() => list.value && new Map(list.value.map((service) => [service.name, service])));

let asked = false;

/** Fetches the catalog anew. */
export async function fetchCatalog() {
    asked = true;
    try {
        list.value = (await get("/services")).items;
        catalogFailure.value = null;
    } catch (problem) {
        catalogFailure.value = problem;
        asked = false;
    }
}

/** Sees to it that the catalog comes. */
export function needCatalog() {
    if (!asked) fetchCatalog();
}

let seen = refresh.value;
refresh.subscribe((turn) => {
    if (turn !== seen && (asked || catalogFailure.value)) fetchCatalog();
    seen = turn;
});
