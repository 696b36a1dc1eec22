const escape = (text) => text.replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** The page on which a person picks an account, or refuses. */
export function consentPage(parameters, accounts) {
  const hidden = Object.entries(parameters).map(
    ([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`,
  );
  const buttons = accounts.map(
    (account) => `<button name="account" value="${escape(account)}">${escape(account)}</button>`,
  );
  const body = `<!DOCTYPE html><title>Sign in</title><form method="post"><h1>Choose an account</h1>
<p>${escape(parameters.client_id)} wants: ${escape(parameters.scope ?? '')}</p>
${hidden.join('\n')}${buttons.join('\n')}<button name="deny" value="1">Cancel</button></form>`;
  return page(200, body);
}

export const errorPage = (reason) =>
  page(400, `<!DOCTYPE html><title>Error</title><p>Error 400: ${escape(reason)}</p>`);

// As bytes: what is no bytes is sent as JSON.
const page = (status, html) => ({ status, headers: { 'content-type': 'text/html; charset=utf-8' }, body: Buffer.from(html) });
