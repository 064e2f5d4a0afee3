// What is kept on this device: drafts of forms, and what waits for a network. Pages and the service worker share it.
// A record is sent with the key its form had, so that the server takes it once however often it arrives.
"use strict";

const Kept = (() => {
  const DAY = 24 * 3600 * 1000;
  const KEY_DAYS = 29; // the server knows a key for thirty days: what is older could be taken twice, and is not sent
  const SENT_DAYS = 7;
  const PATIENCE = 180 * 1000; // a picture on a poor network takes its time; a dead connection shall not keep the button

  const SOON = 8 * 1000; // what does not answer by then is no network to wait for with a form in hand

  let opened;
  const database = () => (opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open("bihuan", 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore("drafts", { keyPath: "id" });
      asked.result.createObjectStore("pictures", { keyPath: ["draft", "name"] });
      asked.result.createObjectStore("outbox", { keyPath: "key" });
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  }));

  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  const store = async (name, mode) => (await database()).transaction(name, mode).objectStore(name);
  const get = async (name, key) => done((await store(name, "readonly")).get(key));
  const all = async (name, range) => done((await store(name, "readonly")).getAll(range));
  const put = async (name, value) => done((await store(name, "readwrite")).put(value));
  const remove = async (name, key) => done((await store(name, "readwrite")).delete(key));
  const ofDraft = (id) => IDBKeyRange.bound([id], [id, []]);

  const draft = async (id) => {
    const found = await get("drafts", id);
    if (found === undefined) return null;
    return { ...found, files: (await all("pictures", ofDraft(id))).flatMap(({ name, files }) => files.map((file) => [name, file])) };
  };

  const forget = async (id) => {
    await remove("drafts", id);
    await remove("pictures", ofDraft(id));
  };

  // What somebody began on this device and did not hand in.
  const draftsOf = async (who) => (await all("drafts")).filter((each) => each.who === who);

  const tidy = async (now) => {
    for (const each of await all("drafts")) if (now - each.at > 30 * DAY) await forget(each.id);
    for (const each of await all("outbox")) {
      if (each.state === "sent" && now - each.at > SENT_DAYS * DAY) await remove("outbox", each.key);
      if (each.state === "waiting" && now - each.at > KEY_DAYS * DAY) await put("outbox", { ...each, state: "expired" });
    }
  };

  // Who is signed in at this browser, and the token of his forms; null for nobody. Rejects without a network.
  const token = async (signal) => {
    const answer = await fetch("/desk/token", { redirect: "manual", cache: "no-store", signal });
    if (answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) return null;
    if (!answer.ok) throw new TypeError("the server cannot say who is there");
    return answer.json();
  };

  // The same, or null where the server cannot be reached soon. Who asks this before he sends knows what never left the phone.
  const reached = async () => {
    if (!navigator.onLine) return null;
    try {
      return await token(AbortSignal.timeout?.(SOON));
    } catch {
      return null;
    }
  };

  const words = (html) => {
    const found = /<p class="what">([\s\S]*?)<\/p>/.exec(html);
    const entities = { amp: "&", lt: "<", gt: ">", "#34": '"', "#39": "'" };
    return found ? found[1].replace(/&(amp|lt|gt|#34|#39);/g, (_, name) => entities[name]).trim() : "";
  };

  // `late`: it never left the phone before, and says when it was filled in. What may have arrived is sent as it was, or its key
  // would stand for two different things.
  const post = (record, csrf) => {
    const body = new FormData();
    for (const [name, value] of record.fields) body.append(name, value);
    for (const [name, file] of record.files) body.append(name, file, file.name);
    body.set("csrf", csrf);
    if (record.late) {
      body.set("found_at", new Date(record.at).toISOString());
      body.delete("revision"); // others may have moved the case meanwhile; whether the step is still possible, the loop says
    }
    return fetch(record.action, { method: "POST", body, signal: AbortSignal.timeout?.(PATIENCE) });
  };

  const taken = (answer) => answer.redirected && new URL(answer.url).pathname.startsWith("/cases/");
  const mayFollow = (answer) => answer.status >= 500 || answer.status === 429 || answer.status === 408;

  const send = async (record, csrf) => {
    const answer = await post(record, csrf);
    if (taken(answer)) {
      const address = new URL(answer.url);
      const { key, who, title, at } = record;
      await put("outbox", { key, who, title, at, state: "sent", address: address.pathname, number: address.pathname.split("/")[2] });
      await forgetCopy(record.action);
    } else if (answer.redirected && new URL(answer.url).pathname === "/sign-in") {
      return; // signed out this very moment
    } else if (mayFollow(answer)) {
      throw new TypeError("the server cannot take it now");
    } else {
      await put("outbox", { ...record, state: "refused", because: words(await answer.text()) });
    }
  };

  // What was handed in is not opened as a form again.
  const forgetCopy = async (address) => {
    if (!self.caches || address === "/report") return;
    for (const name of await caches.keys()) if (name.startsWith("pages ")) await (await caches.open(name)).delete(address);
  };

  const sendEach = async () => {
    await tidy(Date.now());
    const waiting = (await all("outbox")).filter((each) => each.state === "waiting").sort((a, b) => a.at - b.at);
    if (!waiting.length) return "nothing";
    const known = await token();
    if (known === null || known.csrf === null) return "signed out";
    for (const record of waiting) if (record.who === known.desk) await send(record, known.csrf);
    return "sent";
  };

  // One at a time, page or worker. Where there are no locks (no https), the key alone sees to it that nothing is taken twice.
  const sendAll = () => (self.navigator.locks ? navigator.locks.request("bihuan-outbox", sendEach) : sendEach());

  return { get, all, put, remove, draft, draftsOf, forget, forgetCopy, reached, post, taken, sendAll };
})();
