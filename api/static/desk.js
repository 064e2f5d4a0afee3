// Betters the desk where a browser runs scripts; every page works without it. Keeps what is being filled in, sends it once when
// there is a network, makes pictures small enough for a phone's line, counts a round's items, suggests a category.
"use strict";

(() => {
  const whose = document.querySelector('meta[name="desk"]')?.content;
  if (!whose || !self.indexedDB) return;

  const says = document.getElementById("desk-words").dataset;
  const LARGE = 1024 * 1024; // bytes from which a picture is made smaller
  const LONGEST_SIDE = 2000; // pixels
  const SHA256 = /^[0-9a-f]{64}$/;
  const OURS = new Set(["csrf", "key", "sent", "found_at", "revision"]);

  const element = (tag, given = {}, ...inside) => {
    const made = Object.assign(document.createElement(tag), given);
    made.append(...inside);
    return made;
  };

  const newKey = () => {
    const drawn = crypto.getRandomValues(new Uint8Array(16));
    return [...drawn].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  // --- pictures ---------------------------------------------------------------------------------------------------------

  const smaller = async (file) => {
    if (file.size <= LARGE || !file.type.startsWith("image/")) return file;
    try {
      const picture = await createImageBitmap(file); // upright, as its camera held it
      const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
      const canvas = element("canvas", { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      picture.close();
      const drawn = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
      if (!drawn || drawn.size >= file.size) return file;
      return new File([drawn], file.name.replace(/\.\w+$/, "") + ".jpg", { type: "image/jpeg" });
    } catch {
      return file; // what the browser cannot read, the server judges
    }
  };

  const hold = (input, files) => {
    const held = new DataTransfer();
    for (const file of files) held.items.add(file);
    input.files = held.files;
  };

  // --- a form -------------------------------------------------------------------------------------------------------------

  const fieldsOf = (form, button) => [...new FormData(form, button)].filter(([, value]) => typeof value === "string");
  const filesOf = (form) => [...new FormData(form)].filter(([, value]) => value instanceof File && value.size > 0);

  const fill = (form, kept, except) => {
    const said = new Map();
    for (const [name, value] of kept.fields) said.set(name, [...(said.get(name) ?? []), value]);
    for (const control of form.elements) {
      if (!control.name || OURS.has(control.name) || except.has(control.name) || control.type === "file") continue;
      const values = said.get(control.name) ?? [];
      if (control.type === "radio" || control.type === "checkbox") control.checked = values.includes(control.value);
      else if (values.length) control.value = values.at(-1);
    }
    for (const input of form.querySelectorAll('input[type="file"]')) {
      const files = kept.files.filter(([name]) => name === input.name).map(([, file]) => file);
      if (files.length) hold(input, files);
      for (const sha of (said.get(input.name) ?? []).filter((value) => SHA256.test(value))) showKept(form, input, sha);
    }
    const key = said.get("key")?.at(-1);
    if (key) form.elements.key.value = key; // still the same intention
  };

  const showKept = (form, input, sha) => {
    if ([...form.elements].some((each) => each.name === input.name && each.value === sha)) return;
    const picture = element("img", { src: `/api/v1/files/${sha}/thumbnail`, alt: says.picture, width: 96, height: 96 });
    const tick = element("input", { type: "checkbox", name: input.name, value: sha, checked: true });
    input.after(element("div", { className: "kept" }, element("label", {}, tick, " ", picture)));
  };

  const filled = []; // what is being filled in on this page

  class Filling {
    constructor(form) {
      filled.push(this);
      this.form = form;
      this.id = `${whose} ${new URL(form.action).pathname}`;
      this.scaling = Promise.resolve();
      this.saving = Promise.resolve();
      this.waits = false; // whether a save is to come that will see what is typed now
      this.busy = false;
      this.gone = false; // sent, queued or discarded: nothing of it is kept any more
      form.addEventListener("input", () => this.soon());
      form.addEventListener("change", (event) => (event.target.type === "file" ? this.pictures(event.target) : this.soon()));
      form.addEventListener("submit", (event) => this.submit(event));
    }

    // What was kept of it, unless the server has just said what it thinks of something newer.
    async restore() {
      if (!("fresh" in this.form.dataset)) return;
      this.form.elements.key.value = newKey(); // a copy that opens without a network has the key it had last time
      const given = new URLSearchParams(location.search);
      const resumed = given.get("resume");
      const kept = resumed ? await Kept.get("outbox", resumed) : await Kept.draft(this.id);
      if (!kept?.fields || kept.who !== whose) return;
      fill(this.form, kept, new Set(given.keys()));
      const again = element("button", { type: "button", className: "quiet", textContent: says.draftDiscard });
      again.addEventListener("click", async () => {
        this.gone = true;
        await this.saving;
        await Kept.forget(this.id);
        location.assign(location.pathname);
      });
      this.form.before(element("p", { className: "notice draft" }, says.draftRestored, " ", again));
    }

    // At once, for a phone may lose the page at any moment; while one is being written, the next waits for it.
    soon() {
      if (this.waits) return;
      this.waits = true;
      this.save();
    }

    save() {
      this.saving = this.saving.then(() => {
        this.waits = false;
        if (this.gone) return null;
        const fields = fieldsOf(this.form).filter(([name]) => name !== "csrf");
        return Kept.put("drafts", { id: this.id, who: whose, at: Date.now(), fields });
      }).catch(() => {});
      return this.saving;
    }

    pictures(input) {
      const chosen = [...input.files];
      this.scaling = this.scaling.then(async () => {
        const files = await Promise.all(chosen.map(smaller));
        if (files.some((file, at) => file !== chosen[at])) hold(input, files);
        // read at once: what a camera lent the browser may be gone after a reload
        const held = await Promise.all(files.map(async (file) => new File([await file.arrayBuffer()], file.name, { type: file.type })));
        if (this.gone) return;
        if (held.length) await Kept.put("pictures", { draft: this.id, name: input.name, files: held });
        else await Kept.remove("pictures", [this.id, input.name]);
        await this.save();
      }).catch(() => {});
    }

    async submit(event) {
      if (event.submitter?.name) return; // asks the server for another form, and sends nothing
      event.preventDefault();
      if (this.busy) return; // a second tap
      this.busy = true;
      this.form.setAttribute("aria-busy", "true");
      try {
        await this.scaling;
        await this.save();
        const fields = fieldsOf(this.form, event.submitter).filter(([name]) => name !== "csrf" && name !== "found_at");
        const record = {
          key: this.form.elements.key.value, who: whose, action: new URL(this.form.action).pathname,
          title: this.form.dataset.title, at: Date.now(), fields, files: filesOf(this.form), state: "waiting",
        };
        const known = await Kept.reached();
        if (known?.desk !== whose) return await this.queue({ ...record, late: true });
        let answer;
        try {
          answer = await Kept.post(record, known.csrf);
        } catch {
          return await this.queue(record); // whether it arrived nobody knows: its key makes sure that it counts once
        }
        await this.answered(answer, record);
      } finally {
        this.busy = false;
        this.form.removeAttribute("aria-busy");
      }
    }

    async answered(answer, record) {
      if (Kept.taken(answer)) {
        await this.forget(record.key, true);
        await Kept.forgetCopy(record.action);
        location.assign(answer.url);
      } else if (answer.redirected) {
        await this.queue(record); // signed out meanwhile: it is sent after signing in
      } else {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
        begin();
        const wrong = document.querySelector("main .refused") ?? document.querySelector("main");
        wrong.tabIndex = -1;
        wrong.focus();
      }
    }

    async queue(record) {
      record.files = await Promise.all(
        record.files.map(async ([name, file]) => [name, new File([await file.arrayBuffer()], file.name, { type: file.type })]),
      );
      await Kept.put("outbox", record);
      await this.forget(record.key, false);
      const told = element("div", { className: "card done", tabIndex: -1 }, element("p", { textContent: says.queued }));
      told.setAttribute("role", "status");
      told.append(element("ul", { className: "lines outbox" }), element("p", {}, element("a", { href: "/mine", textContent: says.areaMine })));
      this.form.replaceWith(told);
      document.querySelector(".notice.draft")?.remove();
      told.focus();
      await showOutbox();
      await sendLater();
      if (navigator.onLine) await send(); // signed out meanwhile, or the network was gone for a moment
    }

    async forget(key, taken) {
      this.gone = true;
      await this.saving;
      await Kept.forget(this.id);
      const resumed = new URLSearchParams(location.search).get("resume");
      if (resumed && (taken || resumed !== key)) await Kept.remove("outbox", resumed);
      this.form.elements.key.value = newKey(); // going back to this page begins another
    }
  }

  // --- what waits for a network --------------------------------------------------------------------------------------------

  const STATES = { waiting: says.stateWaiting, sent: says.stateSent, refused: says.stateRefused, expired: says.stateExpired };

  const showOutbox = async () => {
    const mine = (await Kept.all("outbox")).filter((each) => each.who === whose).sort((a, b) => b.at - a.at);
    for (const list of document.querySelectorAll("#sending ul, ul.outbox")) {
      list.replaceChildren(...mine.map(line));
    }
    const section = document.getElementById("sending");
    if (section) section.hidden = !mine.length;
  };

  const line = (record) => {
    const at = new Date(record.at).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    const said = element("div", {}, element("p", { textContent: record.title }), element("p", { className: "dim", textContent: `${says.filledAt} ${at}` }));
    if (record.because) said.append(element("p", { className: "fault", textContent: record.because }));
    const actions = element("p", { className: "steps" });
    if (record.state === "sent") said.append(element("p", {}, element("a", { href: record.address, textContent: record.number })));
    if (record.state === "refused" || record.state === "expired") {
      const address = `${record.action}?resume=${encodeURIComponent(record.key)}`;
      actions.append(element("a", { className: "button quiet", href: address, textContent: says.mend }));
    }
    if (record.state !== "waiting") actions.append(button(says.remove, () => Kept.remove("outbox", record.key)));
    else if (navigator.onLine) actions.append(button(says.sendNow, send));
    said.append(actions);
    const tag = element("span", { className: `tag${record.state === "refused" || record.state === "expired" ? " alarm" : ""}`, textContent: STATES[record.state] });
    return element("li", {}, said, tag);
  };

  const button = (words, act) => {
    const made = element("button", { type: "button", className: "quiet", textContent: words });
    made.addEventListener("click", async () => {
      await act();
      await showOutbox();
    });
    return made;
  };

  const send = async () => {
    try {
      const outcome = await Kept.sendAll();
      for (const list of document.querySelectorAll(outcome === "signed out" ? "ul.outbox:not(.told)" : "none")) {
        list.classList.add("told");
        list.after(element("p", {}, element("a", { href: "/sign-in", textContent: says.signInToSend })));
      }
    } catch {
      // no network after all: the next time
    }
    await showOutbox();
  };

  const sendLater = async () => {
    const worker = await navigator.serviceWorker?.getRegistration();
    try {
      await worker?.sync?.register("bihuan-outbox");
    } catch {
      // not every browser wakes a worker up: pages send when they are opened
    }
  };

  const network = () => {
    const notice = document.querySelector(".offline-now");
    if (notice) notice.hidden = navigator.onLine || !document.querySelector("form.drawn");
    // what asks for nothing is not kept on the phone: without a network its button would lead to the browser's own error
    for (const button of document.querySelectorAll("form.at-once button")) button.disabled = !navigator.onLine;
    if (navigator.onLine) send();
  };

  // --- going -----------------------------------------------------------------------------------------------------------------

  // A phone may be another's next: what was begun goes with its author, what was handed in waits for him; and he is told before.
  const leave = async (event) => {
    const form = event.target;
    event.preventDefault();
    const drafts = await Kept.draftsOf(whose).catch(() => []);
    const unsent = (await Kept.all("outbox").catch(() => [])).filter((each) => each.who === whose && each.state !== "sent");
    const told = [drafts.length && says.leaveDrafts, unsent.length && says.leaveUnsent].filter(Boolean);
    if (told.length && !confirm([...told, says.leaveAnyway].join("\n"))) return;
    for (const filling of filled) filling.gone = true; // a picture that is still made smaller is kept no more
    // a browser that cannot delete still signs out: who stays signed in leaves more behind
    for (const each of drafts) await Kept.forget(each.id).catch(() => {});
    form.submit();
  };

  // --- a round -------------------------------------------------------------------------------------------------------------

  const walk = (form) => {
    const counted = form.querySelector(".counted");
    const next = form.querySelector(".next");
    const count = () => {
      counted.textContent = String(form.querySelectorAll(".verdict:has(:checked)").length);
      next.hidden = !form.querySelector(".verdict:not(:has(:checked))");
    };
    next.addEventListener("click", () => {
      const item = form.querySelector(".verdict:not(:has(:checked))");
      item.closest(".item").scrollIntoView({ block: "center" });
      item.querySelector("input").focus({ preventScroll: true });
    });
    const zero = form.querySelector('button[name="zero"]');
    zero.addEventListener("click", (event) => {
      event.preventDefault();
      form.elements.summary.value = zero.dataset.words;
      form.dispatchEvent(new Event("input"));
    });
    form.addEventListener("change", count);
    count();
  };

  // --- a category for the words ----------------------------------------------------------------------------------------------

  const suggest = (form, place) => {
    const [title, category] = [form.elements.title, form.elements.category];
    if (!title || !category) return;
    let timer;
    const ask = async () => {
      const words = title.value.trim();
      const answer = words.length > 1 && navigator.onLine ? await fetch(`/report/suggest?words=${encodeURIComponent(words)}`).catch(() => null) : null;
      const found = answer?.ok && !answer.redirected ? await answer.json() : [];
      if (title.value.trim() !== words) return; // typed on meanwhile
      const offered = found.map((each) => {
        const made = element("button", { type: "button", className: "quiet", textContent: each.title });
        made.dataset.category = each.category;
        made.addEventListener("click", () => {
          category.value = category.value === each.category ? "" : each.category;
          category.dispatchEvent(new Event("change", { bubbles: true }));
        });
        return made;
      });
      place.replaceChildren(...(offered.length ? [element("span", { className: "dim", textContent: says.suggestedKind }), ...offered] : []));
      place.hidden = !offered.length;
      mark();
    };
    const mark = () => {
      for (const each of place.querySelectorAll("button")) each.setAttribute("aria-pressed", String(each.dataset.category === category.value));
    };
    title.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, 350);
    });
    form.addEventListener("change", mark);
    if (title.value) ask();
  };

  // --- a link to take along --------------------------------------------------------------------------------------------------

  const copies = (button) => {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copies);
      field.select(); // also where the browser copies nothing: it can be taken by hand
      // without https there is no clipboard, only the old way
      const done = navigator.clipboard ? await navigator.clipboard.writeText(field.value).then(() => true, () => false) : document.execCommand("copy");
      if (done) button.textContent = button.dataset.done;
    });
  };

  // --- beginning -------------------------------------------------------------------------------------------------------------

  const begin = async () => {
    for (const form of document.querySelectorAll("form.drawn")) {
      const filling = new Filling(form);
      try {
        await filling.restore();
      } catch {
        // a browser that keeps nothing (a private window) still fills in and sends
      }
      const place = form.querySelector(".suggested");
      if (place) suggest(form, place);
      if (form.matches(".round")) walk(form);
      form.dataset.ready = "";
    }
  };

  const work = async () => {
    if (!navigator.serviceWorker) return;
    navigator.serviceWorker.addEventListener("message", (event) => event.data?.sent && showOutbox());
    await navigator.serviceWorker.register("/service-worker.js");
    const ready = await navigator.serviceWorker.ready;
    const here = document.querySelector("form.round[data-fresh]") ? [location.pathname] : [];
    ready.active.postMessage({ keep: ["/mine", "/report", ...here] });
  };

  for (const button of document.querySelectorAll("button[data-copies]")) copies(button);
  document.querySelector('form[action="/sign-out"]')?.addEventListener("submit", leave);
  // a drawing wider than the phone begins where it says
  for (const wide of document.querySelectorAll("[data-begins]")) wide.scrollLeft = Number(wide.dataset.begins) - wide.clientWidth / 2;
  addEventListener("online", network);
  addEventListener("offline", network);
  begin();
  showOutbox().catch(() => {});
  network();
  work().catch(() => {});
})();
