// What the review page does. Its law: a decision carries the id, the revision and a key of the card on the screen, lies
// in this browser before the page moves on, and leaves it only when the server has answered. No key waits for the
// network: the next cards lie ready. Buttons say what they do (data-act, data-arg) and by which key (data-key, a
// KeyboardEvent.code), so keys, mouse and touch are one thing.
"use strict";
const LOCK_MS = 250, READY = 3, RENEW_S = 90, PAUSE_MS = 600, WATCH_MS = 10000, FIGURES_MS = 15000, LONGEST_MS = 20000;
let memory; // empty where it is denied: store() says so at the first decision
try { memory = localStorage; } catch { memory = {}; }

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
  return store("out", end, { path, body }) && Boolean(setTimeout(wake));
}
const send = (path, body, run, more = {}) => fetch(`/api/v1/runs/${encodeURIComponent(run)}/${path}`, { ...more,
  method: body ? "POST" : "GET", body: body && JSON.stringify(body),
  headers: { "Content-Type": "application/json", "X-CSRF-Token": desk.csrf } });
async function call(path, body, run = desk.run, isAgain = false) { // never throws; status 0: the server is away
  let status = 0, told = { message: t("needs_server") };
  try {
    const answer = await send(path, body, run, { signal: AbortSignal.timeout(LONGEST_MS) });
    desk.skew = Date.parse(answer.headers.get("Date")) - Date.now() || 0;
    [told, status] = [await answer.json(), answer.status];
    if (told.code === "csrf" && !isAgain) { // the server was started anew: its token is another
      const me = await (await fetch("/api/v1/me")).json();
      if (me.name === page.user) { desk.csrf = me.csrf; return call(path, body, run, true); }
    }
  } catch { /* told as status 0 */ }
  const isAway = status === 0 || status === 429 || Boolean(body && status >= 500), isOut = [401, 403].includes(status);
  if (isAway) desk.timer ??= setTimeout(retry, desk.wait);
  else if (desk.isAway) setTimeout(wake, 500); // whichever call finds the server back, all that waits is sent
  Object.assign(desk, { isAway, isOut, wait: isAway ? desk.wait : 1000 });
  showSaved();
  return { status, told, isLost: desk.isAway || desk.isOut };
}
const why = ({ code, message }) => ({ message: page.words[`refused.${code}`] ?? message });
async function sendAll() {
  for (let [entry] = list("out"); entry; [entry] = list("out")) {
    const { status, told, isLost } = await call(entry.path, entry.body, entry.run);
    if (isLost) return;
    if (status === 200) takeIn(entry.body, told);
    else if (store("refused", entry.end, { ...entry, ...why(told) })) tell(t("refused_one", why(told)));
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
function retry() { Object.assign(desk, { timer: null, wait: Math.min(2 * desk.wait, 8000) }); wake(); }

// The queue: a few cards lie ready; what the screen holds or has yet to tell is left out of a claim.
const held = () => [desk.card, desk.opening, ...desk.ready].filter(Boolean).map((each) => each.id);
const unsent = () => list("out").flatMap(({ body }) => body.members?.map((each) => each.id) ?? body.id);
const ask = ({ id, mode }) => call("claims", { mode, sample: id, language: page.language });
const release = (ids) => ids.length && call("releases", { ids });
async function refill() {
  if (desk.isFilling || desk.ready.length >= READY) return undefined;
  desk.isFilling = true;
  const { age, wanted } = desk, count = READY - desk.ready.length, left_out = [...held(), ...unsent()].slice(-500);
  const { least, most } = wanted, scores = { least: least && Number(least), most: most && Number(most) };
  const { status, told } = await call("claims", { ...wanted, ...scores, count, left_out, language: page.language });
  desk.isFilling = false;
  if (age !== desk.age) { await release(told.cards?.map((each) => each.id) ?? []); return refill(); }
  if (status !== 200) return fill("empty", desk.isAway ? t("empty.away") : told.message);
  desk.ready.push(...told.cards.filter((each) => ![...held(), ...unsent()].includes(each.id)));
  fetchAhead(desk.ready);
  fill("waiting", t("waiting", { count: told.waiting }));
  fill("empty", told.notice ?? t("loading"));
  return desk.card || desk.opening || !desk.ready.length ? undefined : advance();
}
function advance() {
  Object.assign(desk, { at: null, opening: null });
  show(desk.ready.shift() ?? null);
  setTimeout(refill);
}
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
  const isKept = ([name, value]) => value && (!isAudit || ["mode", "topic"].includes(name));
  desk.wanted = Object.fromEntries(Object.entries(wanted).filter(isKept));
  Object.assign(desk, { ready: [], at: null, age: desk.age + 1, opening: null });
  history.replaceState(null, "", `#${new URLSearchParams({ run: desk.run, ...desk.wanted })}`);
  show(null);
  showQueue();
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
  if (told.cards?.[0].revision === card.revision) card.held_until = told.cards[0].held_until;
  else tell(told.message ?? t("changed"));
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
function flagAs(reason) {
  $("flag").close();
  decide("flag", { reason, turn: desk.turn, note: $("note").value.trim() || null });
}
function decideCluster(choice, first = 0) {
  const whole = choices(), ordered = [whole[first], ...whole.filter((_, at) => at !== first)];
  const body = { ...stamp("triage"), choice, members: ordered.map(({ id, revision }) => ({ id, revision })) };
  $("compare").close();
  if (whole.length < 2) return choice === "drop-all" ? decide("flag", { reason: "duplicate" }) : decide("accept");
  if (!keep("clusters", body)) return undefined;
  remember(desk.card, choice, ordered.map(({ id }, at) => ({ id, key: `${body.key}-${at}` })));
  desk.ready = desk.ready.filter((each) => !ordered.some(({ id }) => id === each.id));
  return advance();
}

// Editing: one turn at a time; the draft outlives the page.
const readDraft = ({ id, revision }) => list("draft").find((each) => (
  each.end === id && each.run === desk.run && each.revision === revision));
function saveDraft(isOpen) {
  const { card: { id, mode, revision }, edit: { texts, turn } } = desk;
  clearTimeout(desk.checking);
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
  $("go-on").hidden = $("edit-told").hidden = !card.isRejected;
  field.value = desk.edit.texts[turn] ?? card.turns[turn].content;
  typed();
  field.focus();
}
function typed() {
  const { card, edit } = desk;
  edit.texts[edit.turn] = field.value;
  fill("edit-diff", diff(card.turns[edit.turn].content, field.value));
  saveDraft(true);
  desk.checking = setTimeout(check, PAUSE_MS);
}
async function check() { // what the filters would say, after a pause in typing
  const { card: { id, revision }, edit } = desk, edits = edit ? listEdits() : [];
  if (!edits.length || field.disabled) return;
  const { told } = await call("checks", { id, revision, edits, language: page.language });
  if (desk.edit === edit && !field.disabled) showChecked(told);
}
async function save() {
  const { card, edit } = desk, edits = listEdits();
  if (!edits.length) return tell(t("edit.same"));
  const body = field.disabled ? null : decide("edit", { edits });
  if (!body) return undefined;
  clearTimeout(desk.checking);
  field.disabled = true;
  tell(t("edit.checking"));
  if (!desk.isAway) await pump();
  const isSent = !list("out").some((each) => each.body.key === body.key);
  const told = desk.answers.get(body.key) ?? (isSent ? (await call("decisions", body)).told : {}); // by another tab
  fill("message");
  if (!isRejected(told)) return advance();
  card.revision = told.revision;
  startEdit(edit.turn);
  return showRejected(told);
}
function nextTurn() {
  const next = desk.card.turns.findIndex((each, turn) => turn > desk.edit.turn && each.role === "assistant");
  if (next < 0) save(); else startEdit(next);
}
function stopEdit() { saveDraft(false); show(desk.card); tell(!desk.card.isRejected && t("edit.kept")); }

// What buttons and keys do. Those that decide or turn the page are dead while editing and right after a card is drawn.
const TURNING = {
  accept: () => decide("accept"), flag, "flag-as": flagAs, edit: () => startEdit(chooseTurn()), undo, compare,
  later: () => (desk.at === null ? decide("later") : look(desk.at + 1)),
  back: () => look((desk.at ?? desk.past.length) - 1), "keep-one": (first) => decideCluster("keep-one", Number(first)),
  "keep-all": () => decideCluster("keep-all"), "drop-all": () => decideCluster("drop-all") };
const OTHERS = { save, enlarge, play, "next-picture": nextPicture, "next-turn": nextTurn, "stop-edit": stopEdit, refusals: showRefusals,
  "go-on": () => { saveDraft(false); advance(); },
  turn: (turn) => desk.edit || pick(turn), mode: (mode) => want({ mode }), topic: (topic) => want({ topic }),
  help: () => $("help").showModal(), close: (id) => $(id).close(),
  search: () => ($("filters").hidden ? tell(t("search.audit")) : startSearch()),
  open: (id, { mode }) => { $("refused").close(); open({ id, mode }); },
  dismiss: (name) => { memory.removeItem(name); showSaved(); showRefusals(); } };
function act({ act: name, arg, ...more }) {
  if (name in OTHERS) return OTHERS[name](arg, more);
  const isCard = desk.card || ["undo", "back"].includes(name) || (name === "later" && desk.at !== null);
  return isCard && !desk.edit && performance.now() - desk.drawn >= LOCK_MS ? TURNING[name]?.(arg) : undefined;
}
function press(event) {
  if (event.isComposing || event.keyCode === 229 || event.repeat || event.altKey || event.metaKey) return;
  if (event.target === field) return pressInEditor(event);
  if (event.target.closest("audio") && /^(Arrow|Space|Home|End)/.test(event.code)) return undefined; // the player's own
  if (event.ctrlKey || event.target.closest("input, textarea, select")) return leaveFilter(event);
  const panel = document.querySelector("dialog[open]"), code = event.code.replace("Numpad", "Digit");
  const found = (panel ?? document).querySelector(`[data-key="${event.shiftKey ? "Shift" : ""}${code}"]`);
  const step = { ArrowUp: -1, ArrowDown: 1 }[code], canPick = step && !panel && desk.card && !desk.edit;
  if (found && !found.disabled && !found.closest("[hidden], dialog:not([open])")) act(found.dataset);
  else if (canPick) pick((desk.turn ?? (step < 0 ? desk.card.turns.length : -1)) + step);
  else return;
  event.preventDefault();
}
function pressInEditor(event) {
  const onEnter = !event.ctrlKey ? null : event.shiftKey ? nextTurn : save;
  const wanted = { Escape: stopEdit, Enter: onEnter }[event.key];
  if (wanted) { event.preventDefault(); wanted(); }
}
function recall({ decisions = [] }) { // what was decided before this page was loaded
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
  recall((await call("decisions")).told);
  showFigures();
}
document.addEventListener("keydown", press);
document.addEventListener("click", ({ target }) => act(target.closest("[data-act]")?.dataset ?? {}));
document.addEventListener("submit", (event) => { if (event.target.method !== "post") event.preventDefault(); });
field.addEventListener("input", typed);
$("filters").addEventListener("change", () => want(Object.fromEntries(new FormData($("filters")))));
$("flag-form").addEventListener("submit", () => flagAs($("reasons").querySelector('[tabindex="0"]').dataset.arg));
$("run")?.addEventListener("change", ({ target }) => { location.hash = new URLSearchParams({ run: target.value }); });
$("language").addEventListener("click", ({ target }) => { target.hash = location.hash; });
addEventListener("hashchange", () => location.reload());
for (const [name, heed] of [["online", wake], ["offline", showSaved], ["storage", showSaved]]) addEventListener(name, heed);
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
addEventListener("pagehide", () => held().length && send("releases", { ids: held() }, desk.run, { keepalive: true }));
setInterval(watchLeases, WATCH_MS);
setInterval(() => document.hidden || showFigures(), FIGURES_MS);
start();
