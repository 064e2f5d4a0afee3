// Opens the desk without a network: files of ours as they are, and copies of the few pages that say they may be kept, each
// marked as a copy. Copies belong to the session they were shown in: signing out, and another session, take them away.
"use strict";

importScripts({{ queue | tojson }});

const FILES = {{ files | tojson }};
const WORDS = {{ words | tojson }};
const STATIC = "files";
const PAGES = "pages ";
const LONGEST = 7 * 24 * 3600 * 1000; // how long a session holds unless a server is told otherwise
const KEPT_AT = "Bihuan-Kept-At";

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    await (await caches.open(STATIC)).addAll(FILES);
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    const files = await caches.open(STATIC);
    for (const request of await files.keys()) {
      const { pathname, search } = new URL(request.url);
      if (!FILES.includes(pathname + search)) await files.delete(request);
    }
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = new URL(request.url);
  if (address.origin !== self.location.origin) return;
  if (request.method === "POST" && address.pathname === "/sign-out") event.waitUntil(forgetPages());
  if (request.method !== "GET") return;
  if (address.pathname.startsWith("/static/")) event.respondWith(file(request));
  else if (request.mode === "navigate") event.respondWith(page(event, address));
});

self.addEventListener("message", (event) => {
  if (event.data?.keep) event.waitUntil(keepAlso(event.data.keep));
});

self.addEventListener("sync", (event) => {
  if (event.tag === "bihuan-outbox") event.waitUntil(Kept.sendAll().then(tell));
});

async function tell() {
  for (const client of await self.clients.matchAll()) client.postMessage({ sent: true });
}

async function file(request) {
  return (await caches.match(request, { cacheName: STATIC })) ?? fetch(request);
}

async function page(event, address) {
  let answer;
  try {
    answer = await fetch(event.request);
  } catch {
    return (await copyOf(address)) ?? nothing(event.request);
  }
  // whoever is shown the form to sign in is signed in no more
  if (address.pathname === "/sign-in" && answer.ok) event.waitUntil(forgetPages());
  else event.waitUntil(keep(address, answer.clone()));
  return answer;
}

// One copy of each page, whatever stood in its address; of another session's pages none is left.
async function keep(address, answer) {
  const session = answer.headers.get("Bihuan-Keep");
  if (!answer.ok || answer.redirected || !session) return;
  const name = PAGES + session;
  for (const other of await caches.keys()) if (other.startsWith(PAGES) && other !== name) await caches.delete(other);
  if (address.search) return; // filled in for one purpose
  const headers = new Headers(answer.headers);
  headers.set(KEPT_AT, new Date().toISOString());
  await (await caches.open(name)).put(address.pathname, new Response(await answer.text(), { headers }));
}

async function keepAlso(addresses) {
  for (const address of addresses) {
    const known = await caches.match(address, { ignoreVary: true });
    if (known && Date.now() - Date.parse(known.headers.get(KEPT_AT)) < 3600 * 1000) continue;
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" }, redirect: "manual" });
      await keep(new URL(address, self.location), answer);
    } catch {
      return; // no network now; the next page asks again
    }
  }
}

async function copyOf(address) {
  for (const name of await caches.keys()) {
    if (!name.startsWith(PAGES)) continue;
    const found = await (await caches.open(name)).match(address.pathname, { ignoreVary: true });
    const at = found && Date.parse(found.headers.get(KEPT_AT));
    if (!found || Date.now() - at > LONGEST) continue;
    const html = (await found.text()).replace(
      /<p class="notice offline-copy" hidden>([\s\S]*?)<span class="at"><\/span>/,
      (_, before) => `<p class="notice offline-copy">${before}<time datetime="${new Date(at).toISOString()}">${local(at)}</time>`,
    );
    return new Response(html, { headers: found.headers });
  }
  return null;
}

function local(at) {
  const [day, two] = [new Date(at), (number) => String(number).padStart(2, "0")];
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())} ${two(day.getHours())}:${two(day.getMinutes())}`;
}

async function forgetPages() {
  for (const name of await caches.keys()) if (name.startsWith(PAGES)) await caches.delete(name);
}

function nothing(request) {
  const chinese = (self.navigator.language || "zh").startsWith("zh");
  const said = chinese ? WORDS.zh : WORDS.en;
  const style = FILES.find((name) => name.startsWith("/static/bihuan.css"));
  const html = `<!doctype html><html lang="${chinese ? "zh-CN" : "en"}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>${said.title}</title>
<link rel="stylesheet" href="${style}"></head><body><main><h1>${said.title}</h1><p class="notice">${said.none}</p>
<p>${said.try}</p><p class="steps"><a class="button" href="/report">${said.report}</a> <a class="button quiet" href="/mine">${said.mine}</a></p>
</main></body></html>`;
  const headers = { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "default-src 'none'; style-src 'self'" };
  return new Response(html, { status: 503, headers });
}
