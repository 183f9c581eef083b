// The review page. Its law: a decision carries the id, the revision and a key of the card on the screen, lies in this
// browser before the page moves on, and leaves it only when the server has answered. No key waits for the network: the
// next cards lie ready. What data says becomes text nodes, never markup. Buttons say what they do (data-act, data-arg)
// and by which key (data-key, a KeyboardEvent.code), so keys, mouse and touch are one thing.
"use strict";
const $ = (id) => document.getElementById(id), page = JSON.parse($("page").textContent), editor = $("editor"), field = $("edit-text");
const all = (query) => document.querySelectorAll(query), answers = new Map();
const LOCK_MS = 250, READY = 3, RENEW_S = 90, PAUSE_MS = 600, WATCH_MS = 10000, FIGURES_MS = 15000, LONGEST_MS = 20000;
const desk = { run: "", wanted: {}, card: null, drawn: 0, ready: [], past: [], at: null, turn: null, edit: null, age: 0,
  csrf: page.csrf, skew: 0, isAway: false, isOut: false, wait: 1000, line: Promise.resolve(), opening: null };
let memory = {};
try { memory = localStorage; } catch { /* denied: store() says so at the first decision */ }

const t = (key, values = {}) => page.words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const short = (id) => `#${id.split("-").at(-1).slice(-12)}`;
const fill = (id, ...nodes) => $(id).replaceChildren(...nodes.flat(3).filter(Boolean));
function tell(text) { fill("message", text); clearTimeout(tell.timer); tell.timer = setTimeout(fill, 9000, "message"); }
function make(tag, values, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(values)) {
    if (name.startsWith("--")) node.style.setProperty(name, value);
    else if (name.includes("-")) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.flat(3).filter(Boolean));
  return node;
}
const button = (act, arg, values, ...text) => make("button", { type: "button", "data-act": act, "data-arg": arg, ...values }, text);
const quote = (text, values = {}) => make("p", { dir: "auto", ...values }, Array.isArray(text) ? text : reveal(text));

// Text: what cannot be seen is shown, spans are marked, words are compared.
const UNSEEN = new RegExp("((?<!\\p{Extended_Pictographic}\\ufe0f?)\\u200d|(?!\\u200d)\\p{Cf}|" +
  "[\\u115f\\u1160\\u2028\\u2029\\u2800\\u3164\\uffa0]|[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f])", "u");
const nameLetter = (letter) => `U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
const reveal = (text) => text.split(UNSEEN).map((part, number) => (
  number % 2 ? make("span", { className: "unseen", title: t("unseen") }, nameLetter(part)) : part));
function paint(text, spans) { // spans: [{start, end, tag, className, title}] in code points, as the server counts
  const letters = [...text], ends = spans.flatMap(({ start, end }) => [start, end]).filter((at) => at < letters.length);
  const cuts = [...new Set([0, ...ends, letters.length])].sort((one, other) => one - other);
  return cuts.slice(1).map((end, number) => {
    const over = spans.filter((each) => each.start <= cuts[number] && each.end >= end);
    const inner = reveal(letters.slice(cuts[number], end).join(""));
    return over.reduce((nodes, { tag, className, title }) => make(tag, { className, title }, nodes), inner);
  });
}
function diff(before, after) { // the longest common run of words stays, the others are struck or inserted
  const a = before.split(/(?<=\s)/), b = after.split(/(?<=\s)/), best = [...a, ""].map(() => new Uint16Array(b.length + 1));
  if (a.length * b.length > 4e5) return [make("del", {}, reveal(before)), make("ins", {}, reveal(after))];
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    }
  }
  const parts = [];
  const add = (tag, text) => (parts.at(-1)?.tag === tag ? (parts.at(-1).text += text) : parts.push({ tag, text }));
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (a[i] === b[j]) { add("span", a[i]); i += 1; j += 1; }
    else if (j === b.length || (i < a.length && best[i + 1][j] >= best[i][j + 1])) { add("del", a[i]); i += 1; }
    else { add("ins", b[j]); j += 1; }
  }
  return parts.map(({ tag, text }) => make(tag, {}, reveal(text)));
}

// The outbox: an entry of localStorage for each decision, so that two tabs never write the same one.
const nameOf = (kind, end, run = desk.run) => `damhwa:${run}:${page.user}:${kind}:${end}`;
function list(kind) {
  const isOurs = (name) => page.runs.some((run) => name.startsWith(nameOf(kind, "", run)));
  const found = Object.keys(memory).filter(isOurs).map((name) => ({ name, ...JSON.parse(memory.getItem(name)) }));
  return found.filter((each) => each.run).sort((one, other) => (one.end < other.end ? -1 : 1));
}
function store(kind, end, value) {
  try { memory.setItem(nameOf(kind, end, value.run), JSON.stringify({ run: desk.run, end, ...value })); return true; }
  catch { tell(t("cannot_store")); return false; }
}
function keep(path, body) {
  const end = `${Math.max(Date.now(), 1 + parseInt(list("out").at(-1)?.end ?? 0, 10))}-${body.key}`;
  const isKept = store("out", end, { path, body });
  if (isKept) setTimeout(wake);
  return isKept;
}
const send = (path, body, run, more = {}) => fetch(`/api/v1/runs/${encodeURIComponent(run)}/${path}`, { ...more,
  method: body ? "POST" : "GET", body: body && JSON.stringify(body),
  headers: { "Content-Type": "application/json", "X-CSRF-Token": desk.csrf } });
async function call(path, body, run = desk.run, isAgain = false) { // never throws; status 0: the server is away
  let status = 0, told = { message: t("needs_server") };
  try {
    const answer = await send(path, body, run, { signal: AbortSignal.timeout(LONGEST_MS) });
    [told, status] = [await answer.json(), answer.status];
    desk.skew = Date.parse(answer.headers.get("Date")) - Date.now() || 0;
    if (told.code === "csrf" && !isAgain) { // the server was started anew: its token is another
      const me = await (await fetch("/api/v1/me")).json();
      if (me.name === page.user) { desk.csrf = me.csrf; return call(path, body, run, true); }
    }
  } catch { /* told as status 0 */ }
  Object.assign(desk, { isOut: [401, 403].includes(status), isAway: status === 0 || status >= 500 || status === 429 });
  if (desk.isAway) { clearTimeout(desk.timer); desk.timer = setTimeout(wake, desk.wait); }
  desk.wait = desk.isAway ? Math.min(2 * desk.wait, 30000) : 1000;
  showSaved();
  return { status, told, isLost: desk.isAway || desk.isOut };
}
async function sendAll() {
  for (let [entry] = list("out"); entry; [entry] = list("out")) {
    const { status, told, isLost } = await call(entry.path, entry.body, entry.run);
    if (isLost) return;
    if (status === 200) answers.set(entry.body.key, told);
    else if (store("refused", entry.end, { ...entry, message: told.message })) tell(t("refused_one", told));
    else return;
    memory.removeItem(entry.name);
    showSaved();
  }
}
function pump() { // in order, one after another, in one tab at a time
  const turn = () => (navigator.locks ? navigator.locks.request("damhwa-outbox", sendAll) : sendAll());
  return (desk.line = desk.line.then(turn, turn));
}
function wake() { showSaved(); pump(); refill(); }
function showSaved() {
  const count = list("out").length, refused = list("refused").length;
  const state = desk.isOut ? "out" : desk.isAway || !navigator.onLine ? "away" : count ? "waiting" : "saved";
  const text = t(`saved.${state}`, { count });
  if ($("saved").textContent !== text) fill("saved", text);
  $("saved").dataset.state = state;
  $("refusals").hidden = !refused;
  fill("refusals", t("refusals", { count: refused }));
}

// The queue: a few cards lie ready; what the screen holds or has yet to tell is left out of a claim.
const held = () => [desk.card, desk.opening, ...desk.ready].filter(Boolean).map((each) => each.id);
const unsent = () => list("out").flatMap(({ body }) => body.members?.map((each) => each.id) ?? body.id);
const secondsLeft = (card) => card.held_until - (Date.now() + desk.skew) / 1000;
const ask = ({ id, mode }) => call("claims", { mode, sample: id, language: page.language });
const release = (ids) => ids.length && call("releases", { ids });
async function refill() {
  if (desk.isFilling || desk.ready.length >= READY) return undefined;
  desk.isFilling = true;
  const { age, wanted } = desk, count = READY - desk.ready.length, left_out = [...held(), ...unsent()].slice(-500);
  const { status, told } = await call("claims", { ...wanted, count, left_out, language: page.language });
  desk.isFilling = false;
  if (age !== desk.age) { await release(told.cards?.map((each) => each.id) ?? []); return refill(); }
  if (status !== 200) return fill("empty", told.message);
  desk.ready.push(...told.cards.filter((each) => ![...held(), ...unsent()].includes(each.id)));
  fill("waiting", t("waiting", { count: told.waiting }));
  fill("empty", told.notice);
  return desk.card || desk.opening || !desk.ready.length ? undefined : advance();
}
function advance() { Object.assign(desk, { at: null, opening: null }); show(desk.ready.shift() ?? null); setTimeout(refill); }
async function open(entry) { // as the server has it now; as it was seen, where the server is away
  Object.assign(desk, { opening: entry, ready: desk.ready.filter((each) => each.id !== entry.id) });
  show(null);
  await pump();
  const { status, told } = await ask(entry);
  if (entry !== desk.opening) return;
  const card = status === 200 ? told.cards[0] : status === 0 && entry.kind !== "edit" ? entry.card : null;
  if (!card) { tell(told.message); advance(); return; }
  desk.opening = null;
  show(card);
}
async function want(change) { // another queue: what lies ready is let go
  const ids = held(), wanted = { ...desk.wanted, ...change }, isAudit = wanted.mode === "audit";
  const kept = Object.entries(wanted).filter(([name, value]) => value && (!isAudit || ["mode", "topic"].includes(name)));
  Object.assign(desk, { wanted: Object.fromEntries(kept), ready: [], at: null, age: desk.age + 1, opening: null });
  history.replaceState(null, "", `#${new URLSearchParams({ run: desk.run, ...desk.wanted })}`);
  show(null);
  showWanted();
  await release(ids);
  refill();
}
async function watchLeases() {
  const { card } = desk;
  desk.ready = desk.ready.filter((each) => secondsLeft(each) > RENEW_S);
  showLease();
  refill();
  if (!card?.held_until || secondsLeft(card) > RENEW_S || document.hidden) return;
  const { told } = await ask(card);
  if (told.cards?.[0].revision === card.revision) card.held_until = told.cards[0].held_until; else tell(told.message ?? t("changed"));
}
const showLease = () => fill("lease", desk.card?.held_until &&
  t("lease", { minutes: Math.max(0, Math.ceil(secondsLeft(desk.card) / 60)) }));

// Drawing: a card in one go.
function show(card) {
  Object.assign(desk, { card, edit: null, turn: null });
  Object.assign($("main").dataset, { id: card?.id ?? "", revision: card?.revision ?? "" });
  for (const each of all("[data-card]")) each.hidden = !card;
  for (const each of $("acts").children) each.disabled = !card;
  $("empty").hidden = Boolean(card);
  $("shelf").append(editor);
  fill("turns", card?.turns.map(drawTurn));
  if (card) drawFacts(card);
  showButtons();
  showLease();
  $("main").scrollTop = $("facts").scrollTop = 0;
  const draft = card && readDraft(card);
  if (draft?.isOpen) startEdit(draft.turn);
  desk.drawn = performance.now();
}
function drawTurn({ role, content, directions }, turn) {
  const seen = (desk.card.findings ?? []).filter((each) => each.message === turn && each.start !== null);
  const marks = seen.map((each) => ({ ...each, tag: "mark", className: each.verdict, title: `${each.label}: ${each.evidence}` }));
  const spans = directions.map(([start, end]) => ({ start, end, tag: "em", className: "direction", title: "" }));
  const number = { type: "button", className: "number", "aria-pressed": "false", "aria-label": t(`turn.${role}`, { turn: turn + 1 }) };
  return make("li", { className: `turn ${role}`, "data-act": "turn", "data-arg": turn }, make("button", number, String(turn + 1)),
    make("div", { className: "bubble", dir: "auto" }, paint(content, [...marks, ...spans])));
}
function drawFacts(card) {
  const { findings, neighbours, persona, scenario, original, turns } = card;
  fill("title", `${card.topic} ${short(card.id)}`);
  fill("why", card.why.text);
  fill("which", [card.topic, short(card.id), card.revision > 1 && t("revision", card)].filter(Boolean).join(" · "));
  fill("findings", findings?.map(drawFinding) ?? [], !findings?.length && make("li", { className: "muted" }, t(findings ? "findings.none" : "findings.hidden")));
  $("near-part").hidden = !neighbours?.length;
  fill("near", neighbours?.map((each) => make("li", { className: "card" }, nameMember(each), drawChange(turns, each.turns))));
  fill("persona", make("b", {}, persona.name), persona.speech_level && ` · ${t(persona.speech_level)}`);
  fill("sheet", reveal(persona.system_prompt));
  fill("scenario", [...scenario, { name: "model", value: card.model }].map(({ name, value }) => [
    make("dt", {}, page.words[`scenario.${name}`] ?? reveal(name)), make("dd", { dir: "auto" }, reveal(value))]));
  fill("log", listLog(card).map((each) => quote(each)), original && drawChange(original, turns));
  $("log-part").hidden = !$("log").firstChild;
}
const listLog = ({ mine, verdict, state }) => [
  mine && t("log.mine", { kind: t(`kind.${mine.kind}`), at: new Date(1000 * mine.at).toLocaleString(page.language) }),
  mine?.note, verdict && t("log.verdict", { kind: t(`kind.${verdict}`), state: t(`state.${state}`) })].filter(Boolean);
function drawFinding({ label, rule, message, evidence, score, threshold, line, verdict }) {
  const limit = line ?? threshold, most = 1.25 * Math.max(score, limit, 1e-9);
  const name = message === null ? label : `${label} · ${t("turn", { turn: message + 1 })}`;
  return make("li", { className: verdict, title: rule }, make("p", { className: "spread" }, make("span", {}, name),
    make("b", {}, `${+score.toPrecision(3)} / ${+limit.toPrecision(3)}`)),
  make("span", { className: "score", "--score": score / most, "--limit": limit / most }), quote(evidence, { className: "muted" }));
}
function drawChange(turns, others) { // the first turn that differs, word by word
  const at = others.findIndex((each, turn) => each.content !== turns[turn]?.content);
  return quote(at < 0 ? [t("same")] : diff(turns[at]?.content ?? "", others[at].content));
}
const nameMember = ({ id, similarity, status, verdict }) => make("p", { title: id }, make("b", {}, short(id)), " ",
  similarity && t("similarity", { similarity: similarity.toFixed(2) }), " ", make("small", {}, page.words[`kind.${verdict ?? status}`]));
function pick(turn) {
  const items = [...$("turns").children];
  desk.turn = Math.max(0, Math.min(Number(turn), items.length - 1));
  items.forEach((each, at) => each.firstChild.setAttribute("aria-pressed", at === desk.turn));
  items[desk.turn].scrollIntoView({ block: "nearest" });
  showButtons();
}
function chooseTurn() { // to edit: the one picked, else the persona's first that a filter marked, else its last
  const isPersona = (turn) => desk.card.turns[turn]?.role === "assistant";
  const marked = (desk.card.findings ?? []).map((each) => each.message).filter(isPersona);
  return desk.turn ?? marked[0] ?? desk.card.turns.map((_, turn) => turn).filter(isPersona).at(-1) ?? 0;
}
function showButtons() {
  const last = desk.past[desk.at ?? desk.past.length - 1];
  fill("edit-label", desk.card ? t("edit", { turn: chooseTurn() + 1 }) : t("edit.none"));
  fill("undo-label", last ? t("undo", { id: short(last.id), kind: t(`kind.${last.kind}`) }) : t("undo.none"));
}

// Deciding. `past`: what can be undone and looked at again; `at`: which of it is on the screen.
const makeKey = () => crypto.randomUUID?.() ?? `k${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
const stamp = (mode) => ({ mode, key: makeKey(), looked_ms: Math.round(performance.now() - desk.drawn),
  decided_at: Date.now() / 1000, screen: { language: page.language, mode, width: innerWidth, is_offline: desk.isAway,
    findings: desk.card?.findings?.length ?? null } });
function remember(card, kind, undo) {
  const { id, mode, revision } = card, entry = { id, mode, revision, kind, undo, card, at: Date.now() / 1000 };
  desk.past = [...desk.past.filter((each) => each.id !== id), entry];
}
function decide(kind, more = {}) {
  const { card } = desk, body = { ...stamp(card.mode), id: card.id, revision: card.revision, kind, ...more };
  if (!keep("decisions", body)) return null;
  memory.removeItem(nameOf("draft", card.id));
  remember(card, kind, [{ id: card.id, key: body.key }]);
  if (kind !== "edit") advance();
  return body;
}
function undo() {
  const last = desk.past[desk.at ?? desk.past.length - 1], { mode, revision } = last ?? {};
  const takeBack = ({ id, key }) => keep("decisions", { ...stamp(mode), id, revision, kind: "undo", undoes: key });
  if (!last) return tell(t("undo.nothing"));
  if (!last.undo.every(takeBack)) return undefined;
  desk.past = desk.past.filter((each) => each !== last);
  if (desk.at === null && desk.card) desk.ready.unshift(desk.card);
  desk.at = null;
  return last.card && last.kind !== "edit" ? show({ ...last.card, mine: null }) : open(last);
}
function look(at) { // at what was decided before; after the last of it, at the present card
  if (at < 0) return tell(t("no_earlier"));
  if (desk.at === null && desk.card) desk.ready.unshift(desk.card);
  if (at >= desk.past.length) return advance();
  desk.at = at;
  return open(desk.past[at]);
}
function flag() {
  const reasons = (desk.card.findings ?? []).map((each) => page.suggested[each.code]).filter(Boolean);
  for (const each of $("reasons").children) each.toggleAttribute("data-suggested", each.dataset.arg === (reasons[0] ?? "persona"));
  fill("flag-turn", desk.turn === null ? t("flag.whole") : t("turn", { turn: desk.turn + 1 }));
  $("note").value = "";
  $("flag").showModal();
}
function flagAs(reason) {
  $("flag").close();
  decide("flag", { reason, turn: desk.turn, note: $("note").value.trim() || null });
}

// Editing: one turn at a time; the draft outlives the page.
function readDraft({ id, revision }) {
  const draft = list("draft").find((each) => each.end === id && each.run === desk.run);
  return draft?.revision === revision ? draft : null;
}
function saveDraft(isOpen) {
  const { card: { id, mode, revision }, edit: { texts, turn } } = desk;
  store("draft", id, { mode, revision, texts, turn, isOpen });
}
function listEdits() {
  const edits = Object.entries(desk.edit.texts).map(([turn, content]) => ({ turn: Number(turn), content }));
  return edits.filter(({ turn, content }) => content.trim() && content !== desk.card.turns[turn].content);
}
function startEdit(turn) {
  const { edit, card } = desk;
  if (edit) editor.previousSibling.replaceChildren(...diff(card.turns[edit.turn].content, field.value));
  desk.edit = { texts: (edit ?? readDraft(card))?.texts ?? {}, turn };
  $("turns").children[turn].append(editor);
  for (const each of $("acts").children) each.disabled = true;
  fill("edit-findings");
  field.disabled = false;
  $("go-on").hidden = true;
  field.value = desk.edit.texts[turn] ?? card.turns[turn].content;
  typed();
  field.focus();
}
function typed() {
  const { card, edit } = desk;
  edit.texts[edit.turn] = field.value;
  fill("edit-diff", diff(card.turns[edit.turn].content, field.value));
  saveDraft(true);
  clearTimeout(desk.checking);
  desk.checking = setTimeout(check, PAUSE_MS);
}
async function check() { // what the filters would say, after a pause in typing
  const { card: { id, revision }, edit } = desk, edits = edit ? listEdits() : [];
  if (!edits.length || field.disabled) return;
  const { told } = await call("checks", { id, revision, edits, language: page.language });
  if (desk.edit === edit && !field.disabled) showChecked(told);
}
const showChecked = ({ findings, message }) => fill("edit-findings", findings?.map(drawFinding),
  !findings?.length && make("li", { className: "muted" }, message ?? t("findings.none")));
async function save() {
  const { card, edit } = desk, edits = listEdits(), body = edits.length && !field.disabled ? decide("edit", { edits }) : null;
  if (!body) return edits.length ? undefined : tell(t("edit.same"));
  clearTimeout(desk.checking);
  field.disabled = true;
  tell(t("edit.checking"));
  if (!desk.isAway) await pump();
  const isSent = !list("out").some((each) => each.body.key === body.key);
  const told = answers.get(body.key) ?? (isSent ? (await call("decisions", body)).told : {}); // another tab sent it
  if (!told.findings?.some((each) => each.verdict === "drop")) { fill("message"); return advance(); }
  card.revision = told.revision;
  startEdit(edit.turn);
  clearTimeout(desk.checking);
  showChecked(told);
  $("go-on").hidden = false;
  return tell(t("edit.rejected"));
}
function nextTurn() {
  const next = desk.card.turns.findIndex((each, turn) => turn > desk.edit.turn && each.role === "assistant");
  if (next < 0) save(); else startEdit(next);
}
function stopEdit() { clearTimeout(desk.checking); saveDraft(false); show(desk.card); tell(t("edit.kept")); }

// A cluster, side by side.
const members = () => [desk.card, ...desk.card.neighbours];
const choices = () => (desk.card.mode === "triage" ? members().filter((each) => each.can_decide !== false) : []);
function compare() {
  if (!desk.card.neighbours?.length) return;
  fill("members", members().map(drawMember));
  $("choices").hidden = !choices().length;
  $("compare").showModal();
}
function drawMember(member) {
  const number = choices().indexOf(member) + 1, values = { "data-key": `Digit${number}`, "aria-keyshortcuts": number };
  const turns = member.turns.map(({ role, content }, turn) => make("li", { className: `turn ${role}` },
    make("div", { className: "bubble", dir: "auto" }, diff(desk.card.turns[turn]?.content ?? "", content))));
  return make("section", { className: "card" }, nameMember(member), make("ol", {}, turns), number
    ? button("keep-one", number - 1, values, make("kbd", {}, String(number)), t("keep_one")) : make("small", {}, t("read_only")));
}
function decideCluster(choice, first = 0) {
  const whole = choices(), ordered = [whole[first], ...whole.filter((_, at) => at !== Number(first))];
  const body = { ...stamp("triage"), choice, members: ordered.map(({ id, revision }) => ({ id, revision })) };
  $("compare").close();
  if (whole.length < 2) return choice === "drop-all" ? decide("flag", { reason: "duplicate" }) : decide("accept");
  if (!keep("clusters", body)) return undefined;
  remember(desk.card, choice, ordered.map(({ id }, at) => ({ id, key: `${body.key}-${at}` })));
  desk.ready = desk.ready.filter((each) => !ordered.some(({ id }) => id === each.id));
  return advance();
}

// Around the card: figures, filters, what was refused.
async function showFigures() {
  const { status, told } = await call(`dashboard?language=${page.language}`);
  if (status !== 200) return;
  const me = told.reviewers.find((each) => each.name === page.user), { pairs, ac1 } = told.agreement;
  fill("pace", me && t("pace", { count: me.today, seconds: Math.round((me.median_ms ?? 0) / 1000) }));
  fill("agreement", pairs > 0 && t("agreement", { value: ac1?.value.toFixed(2) ?? "–", count: pairs }));
  fill("topics", make("li", {}, button("topic", "", {}, t("all_topics"))), told.topics.map(drawTopic));
  for (const each of all("[data-facet]")) {
    const options = told.facets[each.dataset.facet].map(({ value, label, count }) => make("option", { value }, `${label} (${count})`));
    each.replaceChildren(make("option", { value: "" }, t("all")), ...options);
  }
  showWanted();
}
function drawTopic({ name, audit, lot, accepted, edited, flagged, released, again }) {
  const isAudit = desk.wanted.mode === "audit", { verdict, bound, good_needed } = audit;
  const good = isAudit ? audit.good : accepted + edited + released, bad = isAudit ? audit.defects : flagged;
  const whole = Math.max(1, isAudit ? audit.reviewed + (good_needed ?? 0) : lot);
  const told = bound === null ? t("bound.none") : t(`bound.${verdict}`, { bound: (100 * bound).toFixed(1), more: good_needed });
  return make("li", {}, button("topic", name, { "data-verdict": verdict },
    make("span", { className: "spread" }, make("b", {}, name), make("span", {}, `${good + bad} / ${whole}`)),
    make("span", { className: "score parts", "--good": good / whole, "--bad": bad / whole }),
    make("small", {}, told, again > 0 && ` · ${t("again", { count: again })}`)));
}
function showWanted() {
  const { mode, topic = "" } = desk.wanted;
  fill("task", t("task", { run: desk.run, mode: t(`mode.${mode}`) }));
  for (const each of all("[data-act=mode], [data-act=topic]")) each.setAttribute("aria-pressed", [mode, topic].includes(each.dataset.arg));
  $("filters").hidden = mode === "audit";
  for (const each of $("filters").elements) each.value = desk.wanted[each.name] ?? "";
}
function showRefusals() {
  fill("refused-list", list("refused").map(({ end, name, body, message }) => {
    const id = body.id ?? body.members[0].id;
    return make("li", { className: "card" }, make("b", {}, short(id)), quote(message), button("open", id, { "data-mode": body.mode }, t("open")),
      button("dismiss", name, {}, t("dismiss")));
  }));
  if (!$("refused").open) $("refused").showModal();
}

// What buttons and keys do. Those that decide or turn the page are dead while editing and right after a card is drawn.
const TURNING = { undo, back: () => look((desk.at ?? desk.past.length) - 1), later: () => (desk.at === null ? decide("later") : look(desk.at + 1)),
  accept: () => decide("accept"), flag, "flag-as": flagAs, edit: () => startEdit(chooseTurn()), compare,
  "keep-one": (first) => decideCluster("keep-one", first), "keep-all": () => decideCluster("keep-all"), "drop-all": () => decideCluster("drop-all") };
const OTHERS = { save, "next-turn": nextTurn, "stop-edit": stopEdit, "go-on": advance, refusals: showRefusals,
  turn: (turn) => desk.edit || pick(turn), mode: (mode) => want({ mode }), topic: (topic) => want({ topic }),
  help: () => $("help").showModal(), close: (id) => $(id).close(),
  search: () => ($("filters").hidden ? tell(t("search.audit")) : $("text").focus()),
  open: (id, { mode }) => { $("refused").close(); open({ id, mode }); },
  dismiss: (name) => { memory.removeItem(name); showSaved(); showRefusals(); } };
function act({ act: name, arg, ...more }) {
  if (name in OTHERS) return OTHERS[name](arg, more);
  const isDead = desk.edit || performance.now() - desk.drawn < LOCK_MS || !(desk.card || ["undo", "back", "later"].includes(name));
  return isDead ? undefined : TURNING[name](arg);
}
function press(event) {
  if (event.isComposing || event.keyCode === 229 || event.repeat || event.altKey || event.metaKey) return;
  if (event.target === field) return pressInEditor(event);
  if (event.ctrlKey || event.target.closest("input, textarea, select")) return;
  const panel = document.querySelector("dialog[open]"), code = event.code.replace("Numpad", "Digit");
  const found = (panel ?? document).querySelector(`[data-key="${event.shiftKey ? "Shift" : ""}${code}"]`);
  const step = { ArrowUp: -1, ArrowDown: 1 }[code];
  if (found && !found.disabled && !found.closest("[hidden], dialog:not([open])")) act(found.dataset);
  else if (step && !panel && desk.card && !desk.edit) pick((desk.turn ?? (step < 0 ? desk.card.turns.length : -1)) + step);
  else return;
  event.preventDefault();
}
function pressInEditor(event) {
  const wanted = event.key === "Escape" ? stopEdit : event.key !== "Enter" || !event.ctrlKey ? null : event.shiftKey ? nextTurn : save;
  if (wanted) { event.preventDefault(); wanted(); }
}
function recall({ decisions }) { // what was decided before this page was loaded
  const isFirst = ({ id }, at) => decisions.findIndex((each) => each.id === id) === at;
  const own = decisions.filter((each, at) => isFirst(each, at) && !each.is_undone && each.kind !== "undo");
  const earlier = own.filter(({ id }) => !desk.past.some((each) => each.id === id)).reverse();
  desk.past.unshift(...earlier.map((each) => ({ ...each, revision: 1, undo: [{ id: each.id, key: each.key }] })));
  if (desk.at !== null) desk.at += earlier.length;
  showButtons();
}
async function start() {
  const { run, sample, ...wanted } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  desk.run = page.runs.includes(run) ? run : page.runs[0];
  if ($("run")) $("run").value = desk.run;
  const draft = list("draft").find((each) => each.isOpen && each.run === desk.run), id = sample ?? draft?.end;
  want({ mode: draft?.mode ?? "audit", ...wanted });
  if (id) open({ id, mode: desk.wanted.mode }); else pump();
  const { status, told } = await call("decisions");
  if (status === 200) recall(told);
  showFigures();
}
document.addEventListener("keydown", press);
document.addEventListener("click", ({ target }) => { const found = target.closest("[data-act]"); if (found) act(found.dataset); });
document.addEventListener("submit", (event) => { if (event.target.method !== "post") event.preventDefault(); });
field.addEventListener("input", typed);
$("filters").addEventListener("change", () => want(Object.fromEntries(new FormData($("filters")))));
$("flag-form").addEventListener("submit", () => flagAs($("reasons").querySelector("[data-suggested]").dataset.arg));
$("run")?.addEventListener("change", ({ target }) => { location.hash = new URLSearchParams({ run: target.value }); });
$("language").addEventListener("click", ({ target }) => { target.hash = location.hash; });
addEventListener("hashchange", () => location.reload());
addEventListener("online", wake);
addEventListener("offline", showSaved);
addEventListener("storage", showSaved);
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
addEventListener("pagehide", () => held().length && send("releases", { ids: held() }, desk.run, { keepalive: true }));
setInterval(watchLeases, WATCH_MS);
setInterval(() => document.hidden || showFigures(), FIGURES_MS);
start();
