// Where the dashboard begins: which pages there are, who is signed in, and the first painting.
import { html, render } from "./lib.js";
import { identify } from "./api.js";
import { follow } from "./instances.js";
import { needCatalog } from "./catalog.js";
import { page, start } from "./router.js";
import { Shell } from "./shell.js";
import * as list from "./pages/instances.js";

page("/app", "instances", async () => list);
page("/app/instances", "instances", async () => list);
page("/app/catalog", "catalog", () => import("./pages/catalog.js"));
page("/app/catalog/{service}/new", "catalog", () => import("./pages/create.js"));
page("/app/instances/{id}/connect", "instances", () => import("./pages/connect.js"));
page("/app/instances/{id}/{tab?}", "instances", () => import("./pages/instance.js"));
page("/app/account/{tab?}", "account", () => import("./pages/account.js"));
page("/app/admin/{tab?}/{item?}", "admin", () => import("./pages/admin.js"));

start();
render(html`<${Shell} />`, document.getElementById("app"));
identify().catch(() => {});
needCatalog();
follow();
