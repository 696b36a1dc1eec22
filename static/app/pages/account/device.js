// A browser in words, from what it says of itself.
const browsers = [["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"], ["curl/", "curl"]];
const systems = [["Windows", "Windows"], ["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Mac OS", "macOS"], ["CrOS", "ChromeOS"], ["Linux", "Linux"]];
const found = (list, agent) => list.find(([mark]) => agent.includes(mark))?.[1];

/** `Firefox on Linux`; all that it says when it is none that we know. @param {string|null} agent */
export function device(agent) {
    if (!agent) return "Unknown device";
    const browser = found(browsers, agent);
    if (!browser) return agent.slice(0, 60);
    const system = found(systems, agent);
    return system ? `${browser} on ${system}` : browser;
}
