// The console's REST API. Every function rejects with an Error whose message can be shown.

const LIMIT_MS = 8000;

export async function read(path) {
  return answered(await fetch(path, { signal: AbortSignal.timeout(LIMIT_MS) }));
}

// The header is what no page of another origin can send.
export async function change(action, query) {
  const path = `/api/${action}?${new URLSearchParams(query)}`;
  return answered(await fetch(path, {
    method: "POST",
    headers: { "Headrace-Client": "console page" },
    signal: AbortSignal.timeout(LIMIT_MS),
  }));
}

async function answered(response) {
  const body = await response.json();
  if (!response.ok) {
    throw new Error(body.error);
  }
  return body;
}
