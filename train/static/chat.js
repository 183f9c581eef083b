"use strict";
// The chat lives here: every message is posted with all that was said before it, and a reload brings it back.
const $ = (id) => document.getElementById(id);
const main = document.querySelector("main"), name = document.body.dataset.name;
const chat = { messages: [], left: 0, isSaved: true };
let reply = null; // of the reply being written: what stops it
const isAtEnd = () => main.scrollHeight - main.scrollTop - main.clientHeight < 60;
const explain = ({ error, hint }) => new Error([error, hint].filter(Boolean).join("\n"));

function draw(bubble, text) {
  // Stage directions, *…* on one line, look as they do on the review page.
  bubble.replaceChildren(...text.split(/(\*[^*\n]+\*)/).filter(Boolean).map((part) => {
    const direction = Object.assign(document.createElement("em"), { className: "direction", textContent: part });
    return /^\*[^*]+\*$/.test(part) ? direction : part;
  }));
}

function addTurn({ role, content }) {
  const turn = document.createElement("li"), who = document.createElement("span"), bubble = document.createElement("div");
  turn.className = role;
  Object.assign(who, role === "user" ? { className: "hidden", textContent: "나" } : { className: "muted", textContent: name });
  bubble.className = "bubble";
  draw(bubble, content);
  turn.append(who, bubble);
  $("turns").append(turn);
  $("empty").hidden = true;
  main.scrollTop = main.scrollHeight;
  return turn;
}

function tell(text, isBad = false) {
  const wasAtEnd = isAtEnd();
  $("message").textContent = text;
  $("message").classList.toggle("bad", isBad);
  if (wasAtEnd) main.scrollTop = main.scrollHeight; // it takes some of the chat's room
}

function remember() {
  try { sessionStorage.setItem("chat", JSON.stringify(chat)); } catch { /* too much: a reload begins anew */ }
}

async function post(path, messages, signal) {
  const headers = { "Content-Type": "application/json" }, body = JSON.stringify(messages);
  const response = await fetch(path, { method: "POST", headers, body, signal }).catch(() => {
    throw new Error("서버에 닿지 않습니다. damhwa chat이 켜져 있는지 보세요.");
  });
  if (!response.ok) throw explain(await response.json().catch(() => ({ error: `${response.status}` })));
  return response;
}

async function* readLines(response) {
  const decoder = new TextDecoder();
  let rest = "";
  for (const reader = response.body.getReader(); ;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) throw new Error("답이 중간에 끊겼습니다.");
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines.map((each) => JSON.parse(each))) {
      if (line.error) throw explain(line);
      if (line.done) return;
      yield line;
    }
  }
}

async function say(content) {
  const question = { role: "user", content }, asked = addTurn(question), turn = addTurn({ role: "assistant", content: "" });
  const bubble = turn.querySelector(".bubble"), stopper = new AbortController();
  let text = "";
  $("field").value = "";
  setBusy(turn, stopper);
  tell("");
  try {
    const response = await post("/reply", [...chat.messages, question].slice(2 * chat.left), stopper.signal);
    for await (const line of readLines(response)) {
      if (line.left && !chat.left) tell("대화가 길어져서 맨 앞부분은 이제 기억하지 못합니다.");
      chat.left += line.left ?? 0;
      text += line.text ?? "";
      const wasAtEnd = isAtEnd();
      draw(bubble, text);
      if (wasAtEnd) main.scrollTop = main.scrollHeight;
    }
  } catch (error) {
    const kept = text.trim() ? "\n여기까지 온 답은 남겨 두었습니다." : "";
    tell(stopper.signal.aborted ? "답을 멈췄습니다." : error.message + kept, !stopper.signal.aborted);
  }
  setBusy(turn, null);
  if (text.trim()) {
    draw(bubble, text.trim());
    chat.messages.push(question, { role: "assistant", content: text.trim() });
    chat.isSaved = false;
    $("heard").textContent = `${name}: ${text.trim()}`;
    remember();
  } else { // as if nothing had been said
    for (const each of [asked, turn]) each.remove();
    $("empty").hidden = chat.messages.length > 0;
    $("field").value ||= content;
    if (!$("message").textContent) tell("빈 답이 왔습니다. 다시 보내 보세요.", true);
  }
}

function setBusy(turn, stopper) {
  const isBusy = (reply = stopper) !== null;
  turn.setAttribute("aria-busy", isBusy);
  $("stop").hidden = !isBusy;
  $("send").hidden = isBusy;
  for (const id of ["new", "save", "review"]) if ($(id)) $(id).disabled = isBusy;
  $("field").focus();
}

async function keep(path, describe) {
  const count = chat.messages.length;
  if (!count) return tell("아직 나눈 대화가 없습니다.");
  tell("저장하고 있습니다…");
  try {
    tell(describe(await (await post(path, chat.messages)).json()));
    chat.isSaved = count === chat.messages.length; // or it went on meanwhile
    remember();
  } catch (error) { tell(error.message, true); }
}

function begin() {
  $("field").focus();
  if (!chat.isSaved && !confirm("저장하지 않은 대화입니다. 지우고 새로 시작할까요?")) return;
  Object.assign(chat, { messages: [], left: 0, isSaved: true });
  remember();
  $("turns").replaceChildren();
  $("empty").hidden = false;
  tell("새 대화를 시작했습니다.");
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = reply ? "" : $("field").value.trim();
  if (content) say(content);
});
$("field").addEventListener("keydown", (event) => {
  // While a syllable is being composed, Enter belongs to the input method; Safari tells so by 229 alone.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  $("form").requestSubmit();
});
addEventListener("keydown", (event) => { if (event.key === "Escape" && !event.isComposing) reply?.abort(); });
$("stop").addEventListener("click", () => reply?.abort());
$("new").addEventListener("click", begin);
$("save").addEventListener("click", () => keep("/keep", ({ file }) => `${file}에 저장했습니다.`));
$("review")?.addEventListener("click", () =>
  keep("/keep?review", ({ command }) => `저장하고 검수 대기열에 넣었습니다. 검수 페이지는 이 명령으로 엽니다:\n${command}`));
Object.assign(chat, JSON.parse(sessionStorage.getItem("chat") ?? "{}")).messages.forEach(addTurn);
