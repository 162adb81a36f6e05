// The service's answers. Every address is relative, so that the page works under any path.

/** Problem is an answer other than a success. Its message is the service's sentence. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function problem(response) {
  let detail = response.statusText;
  try {
    const body = await response.json();
    detail = body.detail || body.message || body.title || detail;
  } catch { /* not JSON: use the status text */ }
  return new Problem(response.status, detail);
}

/** call fetches path and throws a Problem for everything but success. */
export async function call(path, options = {}) {
  const response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  if (!response.ok) throw await problem(response);
  return response;
}

const json = async (path, options) => (await call(path, options)).json();

export const signIn = (key) =>
  call("app/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ key }) });
/**
 * signOut returns when the service has ended the session. No answer counts as "cannot be reached".
 */
export const signOut = () => call("app/session", { method: "DELETE", signal: AbortSignal.timeout(15_000) });
export const catalogue = () => json("v1/exports");
export const summary = (period) => json("app/summary?" + period);
export const preview = (type, query) => json(`app/preview/${type}?` + query);
export const history = () => json("app/history");
export const exportPath = (type, query) => `v1/exports/${type}?` + query;

/**
 * fileName is the file's name in a Content-Disposition. Of two names (filename and filename*) it
 * takes the full one.
 */
export function fileName(disposition) {
  const whole = /filename\*=UTF-8''([^;]+)/.exec(disposition)?.[1];
  return whole ? decodeURIComponent(whole) : (/filename="([^"]*)"/.exec(disposition)?.[1] ?? "export");
}
