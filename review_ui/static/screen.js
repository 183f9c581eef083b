// What the review page draws: text, cards, what lies around them. What data says becomes text nodes, never markup; what
// cannot be seen is shown. The names here are shared with app.js, which does what is done.
"use strict";
const $ = (id) => document.getElementById(id), all = (query) => document.querySelectorAll(query);
const page = JSON.parse($("page").textContent), editor = $("editor"), field = $("edit-text");
const desk = { run: "", wanted: {}, card: null, drawn: 0, ready: [], past: [], at: null, turn: null, edit: null, age: 0,
  opening: null, csrf: page.csrf, skew: 0, isAway: false, isOut: false, wait: 1000, line: Promise.resolve(),
  answers: new Map(), topics: [] };
const narrow = matchMedia("(max-width: 860px)"), LATELY_MS = 2000;

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
const button = (act, arg, values, ...text) => (
  make("button", { type: "button", "data-act": act, "data-arg": arg, ...values }, text));
const note = (text) => make("li", { className: "muted" }, text);
const bubble = (...nodes) => make("div", { className: "bubble", dir: "auto" }, nodes);
const quote = (text, values = {}) => make("p", { dir: "auto", ...values }, Array.isArray(text) ? text : reveal(text));

// Text: spans are marked, words are compared.
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
  const a = before.split(/(?<=\s)/), b = after.split(/(?<=\s)/);
  const best = [...a, ""].map(() => new Uint16Array(b.length + 1));
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

// A card.
function findWords(content) { // what was searched for, whatever spaces and signs stand in it
  const letters = desk.wanted.text?.match(/[\p{L}\p{N}]/gu);
  if (!letters || desk.card.mode !== "triage") return [];
  const hits = [...content.matchAll(new RegExp(letters.join("[^\\p{L}\\p{N}]*"), "giu"))];
  const count = (end) => [...content.slice(0, end)].length;
  return hits.map(({ 0: hit, index }) => ({ start: count(index), end: count(index + hit.length) }));
}
function drawTurn({ role, content, directions, media }, turn) {
  const seen = (desk.card.findings ?? []).filter((each) => each.message === turn && each.start !== null);
  const marks = seen.map(({ start, end, verdict, label, evidence }) => (
    { start, end, tag: "mark", className: verdict, title: `${label}: ${evidence}` }));
  const spans = directions.map(([start, end]) => ({ start, end, tag: "em", className: "direction", title: "" }));
  const found = findWords(content).map((each) => ({ ...each, tag: "mark", className: "found", title: "" }));
  const name = t(`turn.${role}`, { turn: turn + 1 });
  const number = { type: "button", className: "number", "aria-pressed": "false", "aria-label": name };
  return make("li", { className: `turn ${role}`, "data-act": "turn", "data-arg": turn },
    make("button", number, String(turn + 1)), drawMedia(media, turn), bubble(paint(content, [...found, ...marks, ...spans])));
}
function drawFacts(card) {
  const { findings, neighbours, persona, scenario, original, turns } = card;
  fill("title", `${card.topic} ${short(card.id)}`);
  fill("why", card.why.text);
  const topic = card.why.code !== "audit" && card.topic; // there the reason has it already
  fill("which", [topic, short(card.id), card.revision > 1 && t("revision", card)].filter(Boolean).join(" · "));
  const none = t(findings ? "findings.none" : "findings.hidden");
  fill("findings", findings?.length ? findings.map(drawFinding) : note(none));
  $("near-part").hidden = !neighbours?.length;
  fill("near", neighbours?.map((each) => (
    make("li", { className: "card" }, nameMember(each), drawChange(turns, each.turns)))));
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
  const turn = message === null ? {} : { "data-act": "turn", "data-arg": message }; // a click shows it
  const title = message === null ? make("span", {}, name) : make("button", { type: "button" }, name);
  return make("li", { className: verdict, title: rule, ...turn }, make("p", { className: "spread" }, title,
    make("b", {}, `${+score.toPrecision(3)} / ${+limit.toPrecision(3)}`)),
  make("span", { className: "score", "--score": score / most, "--limit": limit / most }),
  quote(evidence, { className: "muted" }));
}
function drawChange(turns, others) { // the first turn that differs, word by word
  const at = others.findIndex((each, turn) => each.content !== turns[turn]?.content);
  return quote(at < 0 ? [t("same")] : diff(turns[at]?.content ?? "", others[at].content));
}
const nameMember = ({ id, similarity, status, verdict }) => make("p", { title: id }, make("b", {}, short(id)), " ",
  similarity && t("similarity", { similarity: similarity.toFixed(2) }), " ",
  make("small", {}, page.words[`kind.${verdict ?? status}`]));
function drawMember(member) {
  const number = choices().indexOf(member) + 1, values = { "data-key": `Digit${number}`, "aria-keyshortcuts": number };
  const turns = member.turns.map(({ role, content, media }, turn) => make("li", { className: `turn ${role}` },
    drawMedia(media, turn), bubble(diff(desk.card.turns[turn]?.content ?? "", content))));
  const choice = number ? button("keep-one", number - 1, values, make("kbd", {}, String(number)), t("keep_one"))
    : make("small", {}, t("read_only"));
  return make("section", { className: "card" },
    make("div", { className: "spread" }, nameMember(member), choice), make("ol", {}, turns));
}
function show(card) {
  Object.assign(desk, { card, edit: null, turn: null });
  Object.assign($("main").dataset, { id: card?.id ?? "", revision: card?.revision ?? "" });
  for (const each of all("[data-card]")) each.hidden = !card;
  for (const each of $("acts").children) each.disabled = !card;
  $("empty").hidden = Boolean(card);
  if (card) card.isRejected ??= card.mine?.reason === "edit-rejected";
  $("rejected").hidden = !card?.isRejected;
  $("shelf").append(editor);
  fill("turns", card?.turns.map(drawTurn));
  if (card) drawFacts(card);
  showButtons();
  showLease();
  $("main").scrollTop = $("facts").scrollTop = 0;
  if (narrow.matches) scrollTo(0, Math.min(scrollY, $("main").offsetTop - document.querySelector(".top").offsetHeight));
  $("turns").querySelector(".found")?.scrollIntoView({ block: "nearest" });
  const draft = card && readDraft(card);
  if (draft?.isOpen) startEdit(draft.turn);
  desk.drawn = performance.now();
}
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
const secondsLeft = (card) => card.held_until - (Date.now() + desk.skew) / 1000;
const showLease = () => fill("lease", desk.card?.held_until &&
  t("lease", { minutes: Math.max(0, Math.floor(secondsLeft(desk.card) / 60)) }));
const showChecked = ({ findings, message }) => fill("edit-findings",
  findings?.length ? findings.map(drawFinding) : note(message ?? t("findings.none")));
const isRejected = ({ findings }) => findings?.some((each) => each.verdict === "drop") ?? false;
function showRejected(told) { // such an edit is a decision too
  desk.card.isRejected = true;
  clearTimeout(desk.checking);
  showChecked(told);
  $("go-on").hidden = $("edit-told").hidden = false;
  showButtons();
  editor.lastElementChild.scrollIntoView({ block: "nearest" });
}
const members = () => [desk.card, ...desk.card.neighbours];
const choices = () => (desk.card.mode === "triage" ? members().filter((each) => each.can_decide !== false) : []);
function compare() {
  if (!desk.card.neighbours?.length) return;
  fill("members", members().map(drawMember));
  $("choices").hidden = !choices().length;
  $("compare").showModal();
}
function flag() { // the reason that the findings suggest has the focus; from there Tab leads to the note
  const suggested = (desk.card.findings ?? []).map((each) => page.suggested[each.code]).find(Boolean) ?? "persona";
  for (const each of $("reasons").children) each.tabIndex = each.dataset.arg === suggested ? 0 : -1;
  fill("flag-turn", desk.turn === null ? t("flag.whole") : t("turn", { turn: desk.turn + 1 }));
  $("note").value = "";
  $("flag").showModal();
  $("reasons").querySelector('[tabindex="0"]').focus();
}

// Around the card: what is saved, figures, filters, what was refused.
function takeIn({ key, id }, told) { // the answer to a decision
  desk.answers.set(key, told);
  if (isRejected(told) && desk.card?.id !== id) tell(t("edit.rejected_one", { id: short(id) }));
  askFigures();
}
function askFigures() { clearTimeout(desk.figures); desk.figures = setTimeout(showFigures, LATELY_MS); }
function showSaved() {
  const count = list("out").length, refused = list("refused").length;
  const state = desk.isOut ? "out" : desk.isAway || !navigator.onLine ? "away" : count ? "waiting" : "saved";
  const text = t(`saved.${state}`, { count });
  if ($("saved").textContent !== text) fill("saved", text);
  $("saved").dataset.state = state;
  $("refusals").hidden = !refused;
  fill("refusals", t("refusals", { count: refused }));
}
async function showFigures() {
  const { status, told } = await call(`dashboard?language=${page.language}`);
  if (status !== 200) return;
  const me = told.reviewers.find((each) => each.name === page.user), { pairs, ac1 } = told.agreement;
  fill("pace", me && t("pace", { count: me.today, seconds: Math.round((me.median_ms ?? 0) / 1000) }));
  fill("agreement", pairs > 0 && t("agreement", { value: ac1?.value.toFixed(2) ?? "–", count: pairs }));
  desk.topics = told.topics;
  for (const each of [...all("[data-facet]")].filter((one) => one !== document.activeElement)) {
    const options = told.facets[each.dataset.facet].map(({ value, label, count }) => (
      make("option", { value }, `${label} (${count})`)));
    each.replaceChildren(make("option", { value: "" }, t("all")), ...options);
  }
  showWanted();
}
function drawTopic({ name, audit, lot, accepted, edited, flagged, released, waiting, again }) {
  const isAudit = desk.wanted.mode === "audit", { good, defects, reviewed } = audit;
  const part = isAudit ? { good, bad: defects, whole: reviewed + countToSee(audit) }
    : { good: accepted + edited + released, bad: flagged, whole: lot };
  const whole = Math.max(1, part.whole), seen = `${part.good + part.bad} / ${part.whole}`;
  return make("li", {}, button("topic", name, { "data-verdict": isAudit ? audit.verdict : "" },
    make("span", { className: "spread" }, make("b", {}, name), make("span", {}, seen)),
    make("span", { className: "score parts", "--good": part.good / whole, "--bad": part.bad / whole }),
    make("small", {}, isAudit ? tellAudit(audit) : t("unseen_left", { count: waiting }),
      again > 0 && ` · ${t("again", { count: again })}`)));
}
const countLeft = ({ open, disputed }) => open + disputed; // to audit: those put off are among the open ones
const countToSee = (audit) => Math.min(audit.good_needed ?? 0, countLeft(audit));
function tellAudit(audit) { // no more is promised than the topic has
  const { bound, verdict, good_needed } = audit, left = countLeft(audit), values = { bound: (100 * bound).toFixed(1) };
  const next = left === 0 ? "bound.over" : good_needed > left ? "bound.all" : "bound.more";
  return [t(bound === null ? "bound.none" : `bound.${verdict}`, values),
    verdict === "open" && ` · ${t(next, { left, more: good_needed })}`];
}
function showTopics() { // drawn anew, and the focus stays
  const focused = $("topics").contains(document.activeElement) ? document.activeElement.dataset.arg : null;
  fill("topics", make("li", {}, button("topic", "", {}, t("all_topics"))), desk.topics.map(drawTopic));
  [...all("#topics button")].find((each) => each.dataset.arg === focused)?.focus();
}
function showQueue() { // another queue: its figures are asked for, and on a phone it makes place for the dialogue
  showWanted();
  $("queue").open = !narrow.matches;
  askFigures();
}
function startSearch() {
  $("queue").open = true;
  $("text").focus();
}
narrow.addEventListener("change", () => { $("queue").open = !narrow.matches; });
function leaveFilter({ key, target }) { // Enter applies (a field that is left tells its change), Escape does not
  if (!["Enter", "Escape"].includes(key) || !$("filters").contains(target)) return;
  if (key === "Escape") target.value = desk.wanted[target.name] ?? "";
  target.blur();
}
function showWanted() {
  const { mode, topic = "", text } = desk.wanted;
  showTopics();
  fill("chosen", [topic || t("all_topics"), text].filter(Boolean).join(" · "));
  fill("task", t("task", { run: desk.run, mode: t(`mode.${mode}`) }));
  for (const each of all("[data-act=mode]")) each.setAttribute("aria-pressed", each.dataset.arg === mode);
  for (const each of all("[data-act=topic]")) each.setAttribute("aria-pressed", each.dataset.arg === topic);
  $("filters").hidden = mode === "audit";
  for (const each of $("filters").elements) {
    if (each !== document.activeElement) each.value = desk.wanted[each.name] ?? ""; // nobody types there just now
  }
}
function showRefusals() {
  fill("refused-list", list("refused").map(({ name, body, message }) => {
    const id = body.id ?? body.members[0].id, mode = { "data-mode": body.mode };
    return make("li", { className: "card" }, make("b", {}, short(id)), quote(message), body.edits?.map(({ content }) => quote(content)),
      button("open", id, mode, t("open")), button("dismiss", name, {}, t("dismiss")));
  }));
  if (!$("refused").open) $("refused").showModal();
}
