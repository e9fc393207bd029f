// The console's REST API. Every function rejects with an Error whose message can be shown.

const LIMIT_MS = 8000;

// Of this tab, for as long as it is open.
const TOKEN = "headrace-console-token";

// A console that listens beyond its machine answers nobody without its token.
export class TokenNeeded extends Error {}

export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

function headers() {
  const token = sessionStorage.getItem(TOKEN);
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

export async function read(path) {
  const signal = AbortSignal.timeout(LIMIT_MS);
  return answered(await fetch(path, { headers: headers(), signal }));
}

// The header is what no page of another origin can send.
export async function change(action, query) {
  const path = `/api/${action}?${new URLSearchParams(query)}`;
  return answered(await fetch(path, {
    method: "POST",
    headers: { ...headers(), "Headrace-Client": "console page" },
    signal: AbortSignal.timeout(LIMIT_MS),
  }));
}

// Calls heard(kind, facts) for each server-sent event, until they end. A server that stands still
// says nothing, not even how it goes: that is an error, too.
export async function follow(path, heard, signal) {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), LIMIT_MS);
  const response = await fetch(path, {
    headers: headers(), signal: AbortSignal.any([signal, silent.signal]),
  });
  if (!response.ok) {
    await answered(response);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), LIMIT_MS);
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const field = (name) =>
          event.split("\n").find((line) => line.startsWith(`${name}: `)).slice(name.length + 2);
        heard(field("event"), JSON.parse(field("data")));
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

async function answered(response) {
  const body = await response.json();
  if (response.status === 401) {
    throw new TokenNeeded(body.error);
  }
  if (!response.ok) {
    throw new Error(body.error);
  }
  return body;
}
