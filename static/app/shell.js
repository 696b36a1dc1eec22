// What is around every page: navigation, bell, menu of the account, banners; and where pages appear.
import { html } from "./lib.js";
import { me, online, session, signOut } from "./api.js";
import { route } from "./router.js";
import { Outlet } from "./outlet.js";
import { Keys, openKeys } from "./keys.js";
import { Bell } from "./bell.js";
import { ThemeSwitch } from "./theme-switch.js";
import { Icon } from "./parts/icon.js";
import { Menu } from "./parts/menu.js";
import { Questions } from "./parts/dialog.js";
import { Toasts } from "./parts/toast.js";

const areas = [
    { area: "instances", href: "/app/", name: "Instances", icon: "instances" },
    { area: "catalog", href: "/app/catalog", name: "Catalog", icon: "catalog" },
    { area: "account", href: "/app/account", name: "Account", icon: "account" },
    { area: "admin", href: "/app/admin", name: "Admin", icon: "admin", admin: true },
];

function Navigation() {
    const shown = areas.filter(({ admin }) => !admin || me.value?.role === "admin");
    return html`<nav class="main-nav" aria-label="Main"><ul>${shown.map(({ area, href, name, icon }) => html`<li key=${area}>
        <a href=${href} aria-current=${route.value?.area === area ? "true" : undefined}><${Icon} name=${icon} size=${18} /><span>${name}</span></a></li>`)}</ul></nav>`;
}

function UserMenu() {
    const email = me.value?.email ?? "";
    const label = html`<span class="avatar" aria-hidden="true">${email.slice(0, 1).toUpperCase() || "·"}</span>`;
    return html`<${Menu} name="Your account" label=${label} class="right">
        <p class="menu-head"><strong>${email}</strong><span class="soft">${me.value?.role === "admin" ? "Administrator" : "User"}</span></p>
        <${ThemeSwitch} />
        <a href="/app/account"><${Icon} name="account" /> Account</a>
        <button class="plain" onClick=${openKeys}><${Icon} name="keyboard" /> Keys</button>
        <button class="plain" onClick=${signOut}><${Icon} name="out" /> Sign out</button></${Menu}>`;
}

function Banners() {
    const next = encodeURIComponent(route.value?.path ?? "/app/");
    return html`<div class="banners" role="status">
        ${!online.value && html`<p class="banner warn"><${Icon} name="warn" /> <span>Berth cannot be reached. What you see may be old; it comes back by itself.</span></p>`}
        ${session.value === "ended" && html`<p class="banner bad"><${Icon} name="lock" /> <span>You are signed out.</span>
            <a class="button" href=${`/login?next=${next}`}>Sign in again</a></p>`}</div>`;
}

export function Shell() {
    return html`<a class="skip" href="#main">Skip to the content</a>
        <header class="top"><a class="brand" href="/app/"><span class="mark" aria-hidden="true">B</span>Berth</a>
            <${Navigation} /><div class="top-tools"><${Bell} /><${UserMenu} /></div></header>
        <${Banners} />
        <main id="main" tabindex="-1"><${Outlet} /></main>
        <${Toasts} /><${Questions} /><${Keys} />`;
}
