// One instance, live: from the list of the account's where it is there, else asked for alone (an administrator's look).
import { get } from "./api.js";
import { instance, instances } from "./instances.js";
import { useResource } from "./resource.js";

/** @returns {import("./resource.js").Resource<any>} */
export function useInstance(id) {
    const known = instance(id);
    const listed = instances.value !== null;
    const foreign = listed && !known;
    const alone = useResource(async (abort) => (listed && !known) || !listed ? get(`/mcps/${id}`, { abort }) : null, [id, foreign], { every: foreign ? 5000 : undefined });
    return known ? { ...alone, data: known, problem: null } : { ...alone, data: alone.data ?? undefined };
}
