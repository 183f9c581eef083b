// Pictures and recordings of a card: drawn above what is said, fetched while the card lies ready, enlarged, played. One
// that is missing or was altered leaves a line in its place, and everything else goes on.
"use strict";
const addressOf = ({ sha256 }) => `/api/v1/runs/${encodeURIComponent(desk.run)}/media/${sha256}`;
const leaveWord = (node, key) => node.replaceWith(make("p", { className: "gone" }, t(key)));
function drawPicture(medium, turn) {
  const about = medium.about || t("picture", { turn: turn + 1 }), name = t("picture.enlarge", { about });
  const shown = button("enlarge", `${turn} ${medium.sha256}`, { className: "picture", "aria-label": name });
  const onerror = () => leaveWord(shown, "picture.gone");
  shown.append(make("img", { loading: "lazy", decoding: "async", alt: about, onerror, src: addressOf(medium) }));
  return shown;
}
function drawRecording(medium, turn) {
  const values = { controls: true, preload: "none", "aria-label": t("recording", { turn: turn + 1 }) };
  const player = make("audio", { ...values, onerror: () => leaveWord(player, "recording.gone"), src: addressOf(medium) });
  return player;
}
const drawMedia = (media, turn) => media.length > 0 && make("div", { className: "media" },
  media.map((each) => (each.kind === "image" ? drawPicture : drawRecording)(each, turn)));
function fetchAhead(cards) { // pictures alone: recordings are heard by few, and are large
  const pictures = cards.flatMap(({ turns }) => turns.flatMap(({ media }) => media)).filter((each) => each.kind === "image");
  desk.pictures = pictures.map((each) => make("img", { fetchPriority: "low", src: addressOf(each) }));
}

const inTurn = (nodes) => nodes.filter((each) => each.closest(".turn").dataset.arg === String(desk.turn));
function enlarge(place) { // the one that was clicked; by the key the picked turn's, else the first
  const found = [...$("turns").querySelectorAll(".picture")];
  const at = place ? found.findIndex((each) => each.dataset.arg === place) : found.indexOf(inTurn(found)[0] ?? found[0]);
  if (!found.length) return tell(t("picture.none"));
  if (at < 0) return undefined; // of a dialogue beside this one
  desk.picture = at;
  const { src, alt } = found[at].firstChild, turn = Number(found[at].closest(".turn").dataset.arg) + 1;
  Object.assign($("viewer-picture"), { src, alt: "" }); // the caption says it
  fill("viewer-about", reveal(alt));
  fill("viewer-turn", t("picture.place", { turn, at: at + 1, count: found.length }));
  $("viewer").querySelector("[data-act=next-picture]").hidden = found.length < 2;
  return $("viewer").open || $("viewer").showModal();
}
function nextPicture() {
  const found = [...$("turns").querySelectorAll(".picture")];
  enlarge(found[(desk.picture + 1) % found.length].dataset.arg);
}
function play() { // what plays is paused; else the picked turn's, else the one begun, else the first not yet heard
  const found = [...$("turns").querySelectorAll("audio")], playing = found.find((each) => !each.paused);
  if (!found.length) return tell(t("recording.none"));
  if (playing) return playing.pause();
  const begun = found.find((each) => each.currentTime > 0 && !each.ended);
  const next = inTurn(found)[0] ?? begun ?? found.find((each) => !each.ended) ?? found[0];
  next.closest(".turn").scrollIntoView({ block: "nearest" });
  return next.play().catch(() => {}); // why it does not play, its place says
}
document.addEventListener("play", ({ target }) => { // one voice at a time
  for (const each of all("audio")) if (each !== target) each.pause();
}, true);
