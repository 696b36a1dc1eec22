// What a service needs and costs, in words.
import { bytes } from "./parts/format.js";

const kinds = {
    none: "No credential",
    api_key: "API key",
    personal_access_token: "Access token",
    basic: "User and password",
    oauth2: "Sign-in at the service",
};

/** The credential that it needs. */
export const credentialWords = (service) => service.credential?.label ?? kinds[service.credential?.kind ?? "none"];
/** Whether it needs one. */
export const needsCredential = (service) => Boolean(service?.credential && service.credential.kind !== "none");

/** What it may reach. */
export function networkWords(service) {
    const network = service.network ?? "open";
    if (network === "none") return "No network";
    if (network === "loopback") return "No outside network";
    return network.allow_list ? `Reaches ${network.allow_list.length} named hosts` : "Open network";
}

/** The memory that an instance may take. */
export const memoryWords = (service) => (service.limits?.memory_bytes ? `${bytes(service.limits.memory_bytes)} of memory` : "Memory by default");

/** Process modes with their price. */
export const modes = {
    dedicated: { name: "Dedicated", help: "One process for this instance. All its clients share it." },
    session: { name: "One process per client", help: "Each client that connects gets a process and a folder of its own: clients never see each other’s state. Takes the most memory." },
    shared: { name: "Shared process", help: "One process of the service for everybody; your credential goes along with each request. Starts at once, and takes nothing of your quota." },
};

const launches = { node: "Built in", npm: "npm", pypi: "PyPI", command: "Program", http: "Program", remote: "Remote" };
/** Where it comes from. */
export const originWords = (service) => {
    const { kind, package: name, version } = service.launch;
    return name ? `${launches[kind]} · ${name} ${version}` : launches[kind] ?? kind;
};
