"use strict";
(() => {
  const root = document.documentElement;
  const { charts, words } = JSON.parse(document.getElementById("figures").textContent);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 720px)");
  let theme = recall("damhwa-theme"); // null: as the system has it
  let colouredBy = "topic";

  function recall(key) {
    try { return localStorage.getItem(key); } catch { return null; } // a file opened from disk may have no storage
  }
  function remember(key, value) {
    try { localStorage.setItem(key, value); } catch { /* then it lasts as long as the page */ }
  }

  const probe = document.body.appendChild(document.createElement("i"));
  probe.hidden = true;
  function colour(name) { // as the browser computes it: plotly does not know var() and light-dark()
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  function resolve(value) {
    if (Array.isArray(value)) return typeof value[0] === "object" ? value.map(resolve) : value;
    if (value === null || typeof value !== "object") return value;
    if ("$t" in value) return words[value.$t][root.lang === "en" ? 1 : 0];
    if ("$c" in value) return colour(value.$c);
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolve(each)]));
  }

  function traces(chart) {
    if (!chart.groups) return chart.data;
    const dots = chart.data[0];
    return chart.groups[colouredBy].map(({ name, colour, dots: places }) => {
      const pick = (column) => places.map((at) => dots[column][at]);
      const marker = { ...dots.marker, color: colour };
      return { ...dots, name, marker, x: pick("x"), y: pick("y"), customdata: pick("customdata") };
    });
  }

  function draw(node) {
    const chart = charts[node.dataset.chart];
    const [ink, muted, rule, surface] = ["ink", "muted", "rule", "surface"].map(colour);
    const layout = resolve(chart.layout);
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      const title = layout[axis].title && { ...layout[axis].title, font: { size: 12.5, color: muted } };
      layout[axis] = { gridcolor: rule, ticks: "outside", ticklen: 5, tickcolor: "rgba(0,0,0,0)", tickfont: { size: 12.5, color: axis === "yaxis" ? ink : muted }, fixedrange: !chart.groups, ...layout[axis], ...(title && { title }) };
    }
    if (narrow.matches && chart.groups) layout.yaxis.scaleratio = 1;
    const size = narrow.matches && chart.groups ? chart.height * 0.85 : chart.height;
    node.style.height = `${size}px`;
    const family = getComputedStyle(document.body).fontFamily;
    Plotly.react(node, resolve(traces(chart)), {
      height: size,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family, size: 13, color: ink },
      hoverlabel: { font: { family, size: 13, color: ink }, bgcolor: surface, bordercolor: rule, align: "left", namelength: 24 },
      ...layout,
      margin: { l: 8, r: 12, t: 20, b: 32, ...layout.margin },
    }, { displayModeBar: false, responsive: true, scrollZoom: false });
  }
  const nodes = [...document.querySelectorAll("[data-chart]")];
  const redraw = () => nodes.forEach(draw);

  function dress(printing = false) {
    const dark = theme ? theme === "dark" : system.matches;
    root.dataset.theme = dark && !printing ? "dark" : "light";
  }
  function speak(language) {
    root.lang = language;
    for (const button of document.querySelectorAll("[data-language]")) button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }

  root.classList.add("scripted");
  const asked = new URLSearchParams(location.search); // ?lang=en&theme=dark: a link to one view
  if (["dark", "light"].includes(asked.get("theme"))) theme = asked.get("theme");
  dress();
  speak([asked.get("lang"), recall("damhwa-language")].find((each) => each === "en" || each === "ko") ?? "ko");
  redraw();

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.language) {
      speak(button.dataset.language);
      remember("damhwa-language", button.dataset.language);
      redraw();
    } else if ("themeToggle" in button.dataset) {
      theme = root.dataset.theme === "dark" ? "light" : "dark";
      remember("damhwa-theme", theme);
      dress();
      redraw();
    } else if (button.dataset.map) {
      colouredBy = button.dataset.map;
      for (const each of document.querySelectorAll("[data-map]")) each.setAttribute("aria-pressed", String(each === button));
      nodes.filter((node) => node.dataset.chart === "map").forEach(draw);
    }
  });
  system.addEventListener("change", () => { dress(); redraw(); });
  addEventListener("beforeprint", () => { dress(true); redraw(); });
  addEventListener("afterprint", () => { dress(); redraw(); });

  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      for (const link of links.values()) link.classList.remove("here");
      links.get(entry.target.id)?.classList.add("here");
    }
  }, { rootMargin: "-10% 0px -75% 0px" });
  for (const id of links.keys()) seen.observe(document.getElementById(id));
})();
