// A build's page follows its build. A file of its own, for this page alone: app.js is of the review page, and large.
// Every event says that there is news; what it is, the page itself tells when it is asked again: one way to draw it.
const events = new EventSource(document.querySelector("[data-events]").dataset.events);
const isUsed = (part) => part.contains(document.activeElement) && document.activeElement.matches("input");
let last = Promise.resolve();

const draw = async () => {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = page.getElementById(part.id);
    if (now && now.innerHTML !== part.innerHTML && !isUsed(part)) part.replaceChildren(...now.childNodes);
  }
};

events.onmessage = ({ data }) => {
  if (!JSON.parse(data).is_under_way) events.close();
  last = last.then(draw, draw); // one after another, so that the last one stays
};
