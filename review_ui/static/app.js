// The review page. Its law: a decision carries the id, the revision and a key of the card on the screen, lies in this
// browser before the page moves on, and leaves it only when the server has answered. No key waits for the network: the
// next cards lie ready. What data says becomes text nodes, never markup. Buttons say what they do (data-act, data-arg)
// and by which key (data-key, a KeyboardEvent.code), so keys, mouse and touch are one thing.
"use strict";
const $ = (id) => document.getElementById(id), page = JSON.parse($("page").textContent);
const LOCK_MS = 250, READY = 3, RENEW_S = 90, PAUSE_MS = 600, FIGURES_MS = 15000;
const desk = { run: "", wanted: {}, card: null, drawn: 0, ready: [], past: [], at: null, turn: null, edit: null, age: 0,
  csrf: page.csrf, skew: 0, isAway: !navigator.onLine, isOut: false, wait: 1000, line: Promise.resolve(), opening: 0 };
const editor = $("editor"), field = $("edit-text"), answers = new Map();
let memory = {};
try { memory = localStorage; } catch { /* denied: store() says so at the first decision */ }

const t = (key, values = {}) => page.words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const short = (id) => `#${id.split("-").at(-1).slice(-12)}`;
const fill = (id, ...nodes) => $(id).replaceChildren(...nodes.flat(3).filter(Boolean));
function tell(text) {
  fill("message", text);
  clearTimeout(tell.timer);
  tell.timer = setTimeout(fill, 9000, "message");
}
function make(tag, values = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(values)) {
    if (name.includes("-")) node.setAttribute(name, value); else node[name] = value;
  }
  node.append(...children.flat(3).filter(Boolean));
  return node;
}
const button = (act, arg, values, ...text) => make("button", { type: "button", "data-act": act, "data-arg": arg, ...values }, text);

// Text: what cannot be seen is shown, spans are marked, words are compared.
const UNSEEN = new RegExp("((?<!\\p{Extended_Pictographic}\\ufe0f?)\\u200d|(?!\\u200d)\\p{Cf}|" +
  "[\\u115f\\u1160\\u2028\\u2029\\u2800\\u3164\\uffa0]|[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f])", "u");
const nameCode = (letter) => `U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
const reveal = (text) => text.split(UNSEEN).map((part, number) => (
  number % 2 ? make("span", { className: "unseen", title: t("unseen") }, nameCode(part)) : part));
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
  const a = before.split(/(\s+)/), b = after.split(/(\s+)/), parts = [];
  if (a.length * b.length > 4e5) return [make("del", {}, reveal(before)), make("ins", {}, reveal(after))];
  const best = [...a, ""].map(() => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    }
  }
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
async function call(path, body, run = desk.run, isAgain = false) { // never throws; status 0: the server is away
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": desk.csrf }, method = body ? "POST" : "GET";
  let status = 0, told = { message: t("needs_server") };
  try {
    const asked = { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(20000) };
    const answer = await fetch(`/api/v1/runs/${encodeURIComponent(run)}/${path}`, asked);
    [told, status] = [await answer.json(), answer.status];
    desk.skew = Date.parse(answer.headers.get("Date")) - Date.now();
    if (told.code === "csrf" && !isAgain) { // the server was started anew: its token is another
      const me = await (await fetch("/api/v1/me")).json();
      if (me.name === page.user) { desk.csrf = me.csrf; return call(path, body, run, true); }
    }
  } catch { /* told as status 0 */ }
  desk.isOut = status === 401 || status === 403;
  if (status === 0 || status >= 500 || status === 429) retry(); else Object.assign(desk, { isAway: false, wait: 1000 });
  showSaved();
  return { status, told };
}
function retry() {
  desk.isAway = true;
  clearTimeout(desk.timer);
  desk.timer = setTimeout(wake, desk.wait);
  desk.wait = Math.min(2 * desk.wait, 30000);
}
async function sendAll() {
  for (let [entry] = list("out"); entry; [entry] = list("out")) {
    const { status, told } = await call(entry.path, entry.body, entry.run);
    if (desk.isOut || desk.isAway) return;
    answers.set(entry.body.key, told);
    if (status !== 200) store("refused", entry.end, { ...entry, message: told.message });
    if (status !== 200) tell(t("refused_one", { message: told.message }));
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
const held = () => [desk.card, ...desk.ready].filter(Boolean).map((each) => each.id);
const unsent = () => list("out").flatMap(({ body }) => body.members?.map((each) => each.id) ?? body.id);
const secondsLeft = (card) => card.held_until - (Date.now() + desk.skew) / 1000;
const ask = ({ id, mode }) => call("claims", { mode, sample: id, language: page.language });
const release = (ids) => ids.length && call("releases", { ids });
async function refill() {
  if (desk.isFilling || desk.ready.length >= READY) return;
  desk.isFilling = true;
  const { age, wanted } = desk, count = READY - desk.ready.length, left_out = [...held(), ...unsent()].slice(-500);
  const { status, told } = await call("claims", { ...wanted, count, left_out, language: page.language });
  desk.isFilling = false;
  if (age !== desk.age) { await release(told.cards?.map((each) => each.id) ?? []); return refill(); }
  if (status !== 200) return fill("empty", told.message);
  desk.ready.push(...told.cards.filter((each) => ![...held(), ...unsent()].includes(each.id)));
  fill("waiting", t("waiting", { count: told.waiting }));
  fill("empty", told.notice);
  if (!desk.card && !desk.opening) advance();
}
function advance() { Object.assign(desk, { at: null, opening: 0 }); show(desk.ready.shift() ?? null); setTimeout(refill); }
async function open(entry) { // as the server has it now; as it was seen, where the server is away
  const opening = desk.opening = performance.now();
  show(null);
  await pump();
  const { status, told } = await ask(entry);
  if (opening !== desk.opening) return;
  const card = status === 200 ? told.cards[0] : status === 0 && entry.kind !== "edit" ? entry.card : null;
  if (!card) { tell(told.message); return advance(); }
  desk.opening = 0;
  show(card);
}
async function want(change) { // another queue: what lies ready is let go
  const ids = held(), wanted = Object.entries({ ...desk.wanted, ...change }).filter(([, value]) => value);
  desk.wanted = Object.fromEntries(wanted.filter(([name]) => change.mode !== "audit" || ["mode", "topic"].includes(name)));
  Object.assign(desk, { ready: [], at: null, age: desk.age + 1, opening: 0 });
  history.replaceState(null, "", `#${new URLSearchParams({ run: desk.run, ...desk.wanted })}`);
  show(null);
  showWanted();
  await release(ids);
  refill();
}
async function watchLeases() {
  const { card } = desk;
  desk.ready = desk.ready.filter((each) => secondsLeft(each) > RENEW_S);
  refill();
  fill("lease", card?.held_until && t("lease", { minutes: Math.max(0, Math.ceil(secondsLeft(card) / 60)) }));
  if (!card?.held_until || secondsLeft(card) > RENEW_S || document.hidden) return;
  const { told } = await ask(card);
  if (told.cards?.[0].revision === card.revision) card.held_until = told.cards[0].held_until; else tell(told.message);
}

// Drawing: a card in one go.
function show(card) {
  Object.assign(desk, { card, edit: null, turn: null });
  Object.assign($("main").dataset, { id: card?.id ?? "", revision: card?.revision ?? "" });
  for (const each of document.querySelectorAll("[data-card]")) each.hidden = !card;
  for (const each of $("acts").children) each.disabled = !card;
  $("empty").hidden = Boolean(card);
  $("shelf").append(editor);
  fill("turns", card?.turns.map(drawTurn));
  if (card) drawFacts(card);
  showButtons();
  $("main").scrollTop = $("facts").scrollTop = 0;
  const draft = card && readDraft(card);
  if (draft?.isOpen) startEdit(draft.turn);
  desk.drawn = performance.now();
}
function drawTurn({ role, content, directions }, turn) {
  const seen = (desk.card.findings ?? []).filter((each) => each.message === turn && each.start !== null);
  const marks = seen.map((each) => ({ ...each, tag: "mark", className: each.verdict, title: `${each.label}: ${each.evidence}` }));
  const spans = directions.map(([start, end]) => ({ start, end, tag: "em", className: "direction", title: "" }));
  const number = { className: "number", "aria-pressed": "false", "aria-label": t(`turn.${role}`, { turn: turn + 1 }) };
  return make("li", { className: `turn ${role}`, "data-act": "turn", "data-arg": turn }, make("button", number, turn + 1),
    make("div", { className: "bubble", dir: "auto" }, paint(content, [...marks, ...spans])));
}
function drawFacts(card) {
  const { findings, neighbours, persona, scenario, mine, verdict, state } = card;
  fill("title", `${card.topic} ${short(card.id)}`);
  fill("why", card.why.text);
  fill("which", [card.topic, short(card.id), card.revision > 1 && t("revision", card)].filter(Boolean).join(" · "));
  fill("findings", findings ? findings.map(drawFinding) : t("findings.hidden"), findings?.length === 0 && t("findings.none"));
  $("near-part").hidden = !neighbours?.length;
  fill("near", neighbours?.map((each) => make("li", { className: "card" }, nameMember(each), drawChange(card.turns, each.turns))));
  fill("persona", make("b", {}, persona.name), persona.speech_level && ` · ${t(persona.speech_level)}`);
  fill("sheet", reveal(persona.system_prompt));
  fill("scenario", [...scenario, { name: "model", value: card.model }].map(({ name, value }) => (
    [make("dt", {}, page.words[`scenario.${name}`] ?? name), make("dd", { dir: "auto" }, reveal(value))])));
  const told = [mine && t("log.mine", { kind: t(`kind.${mine.kind}`), at: new Date(1000 * mine.at).toLocaleString(page.language) }),
    mine?.note, verdict && t("log.verdict", { kind: t(`kind.${verdict}`), state: t(`state.${state}`) })];
  $("log-part").hidden = !told.some(Boolean) && !card.original;
  fill("log", told.map((each) => each && make("p", {}, reveal(each))), card.original && drawChange(card.original, card.turns));
}
function drawFinding({ label, rule, message, evidence, score, threshold, line, verdict }) {
  const limit = line ?? threshold, most = 1.25 * Math.max(score, limit, 1e-9), bar = make("div", { className: "score" });
  bar.style.setProperty("--score", score / most);
  bar.style.setProperty("--limit", limit / most);
  const numbers = `${+score.toPrecision(3)} / ${+limit.toPrecision(3)}`;
  const name = message === null ? label : `${label} · ${t("turn", { turn: message + 1 })}`;
  return make("li", { className: verdict, title: rule }, make("p", { className: "spread" }, make("span", {}, name),
    make("b", {}, numbers)), bar, make("p", { className: "muted", dir: "auto" }, reveal(evidence)));
}
function drawChange(turns, others) { // the first turn that differs, word by word
  const at = others.findIndex((each, turn) => each.content !== turns[turn]?.content);
  return make("p", { dir: "auto" }, at < 0 ? t("same") : diff(turns[at]?.content ?? "", others[at].content));
}
const nameMember = ({ id, similarity, status, verdict }) => make("p", { title: id }, make("b", {}, short(id)), " ",
  similarity && t("similarity", { similarity: similarity.toFixed(2) }), " ", make("small", {}, t(`kind.${verdict ?? status}`)));
function pick(turn) {
  const items = [...$("turns").children];
  desk.turn = Math.max(0, Math.min(Number(turn), items.length - 1));
  items.forEach((each, at) => each.querySelector("button").setAttribute("aria-pressed", at === desk.turn));
  items[desk.turn].scrollIntoView({ block: "nearest" });
  showButtons();
}
const isPersona = (turn) => desk.card.turns[turn]?.role === "assistant";
function chooseTurn() { // to edit: the one picked, else the first that a filter marked, else the persona's last
  const marked = (desk.card.findings ?? []).map((each) => each.message).filter(isPersona);
  return desk.turn ?? [...marked, desk.card.turns.findLastIndex((each) => each.role === "assistant")][0];
}
function showButtons() {
  const last = desk.past[desk.at ?? desk.past.length - 1];
  fill("edit-label", desk.card ? t("edit", { turn: chooseTurn() + 1 }) : t("edit.none"));
  fill("undo-label", last ? t("undo", { id: short(last.id), kind: t(`kind.${last.kind}`) }) : t("undo.none"));
}

// Deciding.
const stamp = (mode) => ({ mode, key: makeKey(), looked_ms: Math.round(performance.now() - desk.drawn),
  decided_at: Date.now() / 1000, screen: { language: page.language, mode, width: innerWidth, is_offline: desk.isAway,
    findings: desk.card?.findings?.length ?? null } });
const makeKey = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
function remember({ id, mode, revision }, kind, undo) {
  desk.past = [...desk.past.filter((each) => each.id !== id), { id, mode, revision, kind, undo, at: Date.now() / 1000, card: desk.card }];
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
  const last = desk.past[desk.at ?? desk.past.length - 1];
  if (!last) return tell(t("undo.none"));
  const one = ({ id, key }) => keep("decisions", { ...stamp(last.mode), id, revision: last.revision, kind: "undo", undoes: key });
  if (!last.undo.every(one)) return;
  desk.past = desk.past.filter((each) => each !== last);
  if (desk.at === null && desk.card) desk.ready.unshift(desk.card);
  desk.at = null;
  if (last.card && last.kind !== "edit") show({ ...last.card, mine: null }); else open(last);
}
function look(at) { // earlier cards of this session; after the last of them the present one
  if (at < 0) return tell(t("no_earlier"));
  if (desk.at === null && desk.card) desk.ready.unshift(desk.card);
  if (at >= desk.past.length) return advance();
  desk.at = at;
  open(desk.past[at]);
}
function flag() {
  const codes = (desk.card.findings ?? []).map((each) => each.code), reason = codes.map((each) => page.suggested[each]).find(Boolean) ?? "persona";
  for (const each of $("reasons").children) each.toggleAttribute("data-suggested", each.dataset.arg === reason);
  fill("flag-turn", desk.turn === null ? t("flag.whole") : t("turn", { turn: desk.turn + 1 }));
  $("note").value = "";
  $("flag").showModal();
}
function flagAs(reason) {
  $("flag").close();
  decide("flag", { reason: reason ?? $("reasons").querySelector("[data-suggested]").dataset.arg, turn: desk.turn, note: $("note").value.trim() || null });
}

// Editing: one turn at a time; the draft outlives the page.
const readDraft = ({ id, revision }) => {
  const draft = JSON.parse(memory.getItem?.(nameOf("draft", id)) ?? null);
  return draft?.revision === revision ? draft : null;
};
const saveDraft = (isOpen) => store("draft", desk.card.id, { id: desk.card.id, mode: desk.card.mode, revision: desk.card.revision, ...desk.edit, isOpen });
const listEdits = ({ texts }, { turns }) => Object.entries(texts).map(([turn, content]) => ({ turn: Number(turn), content }))
  .filter(({ turn, content }) => content.trim() && content !== turns[turn].content);
function startEdit(turn) {
  if (desk.edit) { const { content } = desk.card.turns[desk.edit.turn]; editor.previousElementSibling.replaceChildren(...diff(content, field.value)); }
  desk.edit = { ...(desk.edit ?? readDraft(desk.card) ?? { texts: {} }), turn: Number(turn) };
  $("turns").children[turn].append(editor);
  fill("edit-findings");
  $("go-on").hidden = true;
  field.disabled = false;
  field.value = desk.edit.texts[turn] ?? desk.card.turns[turn].content;
  typed();
  field.focus();
  for (const each of $("acts").children) each.disabled = true;
}
function typed() {
  const { card, edit } = desk;
  edit.texts[edit.turn] = field.value;
  fill("edit-diff", diff(card.turns[edit.turn].content, field.value));
  saveDraft(true);
  clearTimeout(edit.timer);
  edit.timer = setTimeout(check, PAUSE_MS);
}
async function check() {
  const { card, edit } = desk, edits = edit ? listEdits(edit, card) : [];
  if (!edits.length) return;
  const { told } = await call("checks", { id: card.id, revision: card.revision, edits, language: page.language });
  if (desk.edit === edit) showChecked(told);
}
const showChecked = ({ findings, message }) => fill("edit-findings", message ?? (findings.length ? findings.map(drawFinding) : t("findings.none")));
async function save() {
  const { card, edit } = desk, edits = listEdits(edit, card);
  if (!edits.length) return tell(t("edit.same"));
  const body = field.disabled ? null : decide("edit", { edits });
  if (!body) return;
  clearTimeout(edit.timer);
  if (desk.isAway) return advance();
  field.disabled = true;
  tell(t("edit.checking"));
  await pump();
  const told = answers.get(body.key) ?? (await call("decisions", body)).told;
  if (!told.findings?.some((each) => each.verdict === "drop")) return advance();
  card.revision = told.revision;
  startEdit(edit.turn);
  clearTimeout(desk.edit.timer);
  showChecked(told);
  $("go-on").hidden = false;
  tell(t("edit.rejected"));
}
function nextTurn() {
  const next = desk.card.turns.findIndex((each, turn) => turn > desk.edit.turn && each.role === "assistant");
  if (next < 0) save(); else startEdit(next);
}
function stopEdit() {
  const { card } = desk;
  clearTimeout(desk.edit.timer);
  saveDraft(false);
  show(card);
  tell(t("edit.kept"));
}

// A cluster, side by side.
const members = () => [desk.card, ...desk.card.neighbours];
const deciders = () => (desk.card.mode === "triage" ? members().filter((each) => each.can_decide !== false) : []);
function compare() {
  if (!desk.card.neighbours?.length) return;
  const choices = deciders();
  fill("members", members().map((each) => {
    const number = choices.indexOf(each) + 1, values = { "data-key": `Digit${number}`, "aria-keyshortcuts": number };
    const turns = each.turns.map(({ role, content }, turn) => make("li", { className: `turn ${role}` }, make("div", { className: "bubble", dir: "auto" },
      each === desk.card ? reveal(content) : diff(desk.card.turns[turn]?.content ?? "", content))));
    return make("section", { className: "card" }, nameMember(each), make("ol", {}, turns),
      number ? button("keep-one", number - 1, values, make("kbd", {}, number), t("keep_one")) : make("small", {}, t("read_only")));
  }));
  $("choices").hidden = !choices.length;
  $("compare").showModal();
}
function decideCluster(choice, first = 0) {
  const all = deciders(), ordered = [all[first], ...all.filter((each, at) => at !== Number(first))];
  $("compare").close();
  if (all.length < 2) return choice === "drop-all" ? decide("flag", { reason: "duplicate" }) : decide("accept");
  const body = { ...stamp("triage"), choice, members: ordered.map(({ id, revision }) => ({ id, revision })) };
  if (!keep("clusters", body)) return;
  remember(desk.card, choice, ordered.map(({ id }, at) => ({ id, key: `${body.key}-${at}` })));
  desk.ready = desk.ready.filter((each) => !ordered.some(({ id }) => id === each.id));
  advance();
}

// Around the card: figures, filters, what was refused.
async function showFigures() {
  const { status, told } = await call(`dashboard?language=${page.language}`);
  if (status !== 200) return;
  desk.figures = told;
  const me = told.reviewers.find((each) => each.name === page.user), { pairs, ac1 } = told.agreement;
  fill("pace", me && t("pace", { count: me.today, seconds: Math.round((me.median_ms ?? 0) / 1000) }));
  fill("agreement", pairs > 0 && t("agreement", { value: ac1?.value.toFixed(2) ?? "–", count: pairs }));
  fill("topics", drawTopic(null), told.topics.map(drawTopic));
  for (const each of document.querySelectorAll("[data-facet]")) {
    const options = told.facets[each.dataset.facet].map(({ value, label, count }) => make("option", { value }, `${label} (${count})`));
    each.replaceChildren(make("option", { value: "" }, t("all")), ...options);
  }
  showWanted();
}
function drawTopic(topic) {
  if (!topic) return make("li", {}, button("topic", "", {}, t("all_topics")));
  const { audit, lot, accepted, edited, flagged, released, again } = topic, isAudit = desk.wanted.mode === "audit";
  const good = isAudit ? audit.good : accepted + edited + released, bad = isAudit ? audit.defects : flagged;
  const all = Math.max(1, isAudit ? audit.reviewed + (audit.good_needed ?? 0) : lot), bar = make("span", { className: "score parts" });
  bar.style.setProperty("--good", good / all);
  bar.style.setProperty("--bad", bad / all);
  const bound = audit.bound === null ? t("bound.none") : t(`bound.${audit.verdict}`, { bound: (100 * audit.bound).toFixed(1), more: audit.good_needed });
  return make("li", {}, button("topic", topic.name, { "data-verdict": audit.verdict }, make("span", { className: "spread" }, make("b", {}, topic.name),
    make("span", {}, `${good + bad} / ${all}`)), bar, make("small", {}, [bound, again > 0 && t("again", { count: again })].filter(Boolean).join(" · "))));
}
function showWanted() {
  const { wanted } = desk;
  fill("task", t("task", { run: desk.run, mode: t(`mode.${wanted.mode}`) }));
  for (const each of document.querySelectorAll('[data-act="mode"]')) each.setAttribute("aria-pressed", each.dataset.arg === wanted.mode);
  for (const each of document.querySelectorAll('[data-act="topic"]')) each.setAttribute("aria-pressed", each.dataset.arg === (wanted.topic ?? ""));
  $("filters").hidden = wanted.mode === "audit";
  for (const each of $("filters").elements) if (each.name) each.value = wanted[each.name] ?? "";
}
function showRefusals() {
  fill("refused-list", list("refused").map(({ end, body, message }) => make("li", { className: "card" }, make("p", {}, short(body.id ?? body.members[0].id)),
    make("p", {}, message), button("open", body.id ?? body.members[0].id, { "data-mode": body.mode }, t("open")), button("dismiss", end, {}, t("dismiss")))));
  $("refused").showModal();
}

// What buttons and keys do. Those that decide or turn the page are dead right after a card is drawn.
const TURNING = { accept: () => desk.card && decide("accept"), flag: () => desk.card && flag(), "flag-as": flagAs, edit: () => desk.card && startEdit(chooseTurn()), undo,
  later: () => (desk.at === null ? desk.card && decide("later") : look(desk.at + 1)), back: () => look((desk.at ?? desk.past.length) - 1),
  compare: () => desk.card && compare(), "keep-one": (first) => decideCluster("keep-one", first), "keep-all": () => decideCluster("keep-all"), "drop-all": () => decideCluster("drop-all") };
const OTHERS = { turn: (turn) => desk.edit || pick(turn), save, "next-turn": nextTurn, "stop-edit": stopEdit, "go-on": advance, help: () => $("help").showModal(),
  refusals: showRefusals, mode: (mode) => want({ mode }), topic: (topic) => want({ topic }), search: () => ($("filters").hidden ? tell(t("search.audit")) : $("text").focus()),
  open: (id, { mode }) => { $("refused").close(); open({ id, mode }); }, dismiss: (end) => { memory.removeItem(nameOf("refused", end)); showSaved(); showRefusals(); },
  close: (id) => $(id).close() };
function act({ dataset }) {
  if (dataset.act in OTHERS) OTHERS[dataset.act](dataset.arg, dataset);
  else if (!desk.edit && performance.now() - desk.drawn >= LOCK_MS) TURNING[dataset.act]?.(dataset.arg);
}
function press(event) {
  if (event.isComposing || event.keyCode === 229 || event.repeat || event.altKey || event.metaKey) return;
  if (event.target === field) return pressInEditor(event);
  if (event.ctrlKey || event.target.closest("input, textarea, select")) return;
  const root = document.querySelector("dialog[open]") ?? document, code = event.code.replace("Numpad", "Digit");
  const found = root.querySelector(`[data-key="${event.shiftKey ? "Shift" : ""}${code}"]`);
  if (found && !found.disabled && !found.closest("[hidden]")) { event.preventDefault(); act(found); }
  else if (root === document && desk.card && !desk.edit && ["ArrowUp", "ArrowDown"].includes(code)) {
    event.preventDefault();
    pick((desk.turn ?? (code === "ArrowUp" ? desk.card.turns.length : -1)) + (code === "ArrowUp" ? -1 : 1));
  }
}
function pressInEditor(event) {
  const wanted = event.key === "Escape" ? stopEdit : event.key === "Enter" && event.ctrlKey ? (event.shiftKey ? nextTurn : save) : null;
  if (wanted) { event.preventDefault(); wanted(); }
}
async function start() {
  const { run, sample, ...wanted } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  desk.run = page.runs.includes(run) ? run : page.runs[0];
  const draft = list("draft").find((each) => each.isOpen && each.run === desk.run);
  want({ mode: "audit", ...wanted });
  if (draft || sample) open({ id: draft?.id ?? sample, mode: draft?.mode ?? desk.wanted.mode });
  pump();
  const { status, told } = await call("decisions");
  if (status === 200) recall(told.decisions);
  showFigures();
}
function recall(decisions) { // what was decided before this page was loaded, so that it can be undone and looked at
  const own = decisions.filter((each, at) => !each.is_undone && each.kind !== "undo" && decisions.findIndex(({ id }) => id === each.id) === at);
  const known = desk.past.map((each) => each.id), entries = own.filter(({ id }) => !known.includes(id)).reverse();
  desk.past.unshift(...entries.map(({ id, mode, kind, at, key }) => ({ id, mode, kind, at, revision: 1, undo: [{ id, key }] })));
  if (desk.at !== null) desk.at += entries.length;
  showButtons();
}
document.addEventListener("keydown", press);
document.addEventListener("click", ({ target }) => { const found = target.closest("[data-act]"); if (found) act(found); });
field.addEventListener("input", typed);
$("filters").addEventListener("change", () => want(Object.fromEntries(new FormData($("filters")))));
$("flag-form").addEventListener("submit", (event) => { event.preventDefault(); flagAs(); });
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("run")?.addEventListener("change", ({ target }) => { location.hash = new URLSearchParams({ run: target.value }); });
addEventListener("hashchange", () => location.reload());
addEventListener("online", wake);
addEventListener("offline", showSaved);
addEventListener("storage", showSaved);
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
addEventListener("pagehide", () => held().length && fetch(`/api/v1/runs/${encodeURIComponent(desk.run)}/releases`, { method: "POST", keepalive: true,
  headers: { "Content-Type": "application/json", "X-CSRF-Token": desk.csrf }, body: JSON.stringify({ ids: held() }) }));
setInterval(watchLeases, 10000);
setInterval(() => document.hidden || showFigures(), FIGURES_MS);
start();
