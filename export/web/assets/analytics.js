// The usage of the workspace in a period: figures, messages per day, and lists of the most active
// users and the most used assistants, projects and models.
import { h, fill, announce } from "./dom.js";
import * as api from "./api.js";
import { t, reason, number, short, dollars, percent, date, dates } from "./words.js";
import { periodPicker } from "./period.js";

export const firstPeriod = "range=this_month";

/**
 * analytics fills element and returns an object with period(), the chosen period. It calls loaded
 * with each summary that it shows. first is the promise of firstPeriod's summary if it was
 * requested before, to save a request.
 */
export function analytics(element, catalogue, ended, loaded, first) {
  let shown = 0; // only the answer to the last request is drawn
  const results = h("div", { class: "results", "aria-busy": "true" });
  const picker = periodPicker("page", catalogue, firstPeriod, (query) => load(query));
  fill(element, h("h1", {}, t("title")), picker.element, results);

  async function load(query, answer) {
    if (query === null) return; // invalid dates: the picker says why
    const mine = ++shown;
    results.setAttribute("aria-busy", "true");
    if (!results.hasChildNodes()) fill(results, skeleton());
    try {
      const summary = await (answer ?? api.summary(query));
      if (mine !== shown) return;
      fill(results, draw(summary));
      loaded(summary);
      announce(dates(summary.period.from, summary.period.to));
    } catch (e) {
      if (mine !== shown || ended(e)) return;
      fill(results, h("div", { class: "card empty" }, h("p", { class: "error", role: "alert" }, t("failed"), " ", reason(e)),
        h("button", { onclick: () => load(query) }, t("retry"))));
    } finally {
      if (mine === shown) results.setAttribute("aria-busy", "false");
    }
  }
  load(firstPeriod, first);
  return { period: picker.query };
}

const skeleton = () => h("div", { class: "waiting", role: "status", "aria-label": t("loading") },
  h("div", { class: "figures" }, Array.from({ length: 6 }, () => h("div", { class: "card skeleton" }))),
  h("div", { class: "card skeleton tall" }),
  h("div", { class: "tops" }, Array.from({ length: 4 }, () => h("div", { class: "card skeleton tall" }))));

function draw(summary) {
  const empty = summary.figures.every((f) => Number(f.value) === 0);
  return [
    h("div", { class: "figures" }, summary.figures.map((f) => figure(f, summary.previous))),
    !empty && h("p", { class: "hint compared" }, summary.previous ? t("comparedWith", dates(summary.previous.from, summary.previous.to)) : t("notComparable")),
    empty
      ? h("div", { class: "card empty" }, h("h2", {}, t("nothing")), h("p", {}, t("nothingHint")))
      : [perDay(summary.days), h("div", { class: "tops" },
          ["users", "assistants", "projects", "models"].map((kind) => kind === "users" && summary.persons_hidden_by
            ? hiddenPersons(summary.persons_hidden_by) : summary.top[kind] && top(kind, summary.top[kind])))],
  ].flat();
}

/** figure is one number and its change against the period before, if that can still be exported. */
function figure({ name, value, previous }, before) {
  const n = Number(value), old = Number(previous);
  const text = name === "cost_usd" ? dollars(n) : number(n);
  let change = "–", direction = "";
  if (previous !== null && before) {
    direction = n > old ? "up" : n < old ? "down" : "";
    change = n === old ? t("unchanged") : old === 0 ? t("fromZero") : percent((n - old) / old);
  }
  return h("section", { class: "card figure", "data-figure": name }, h("h2", {}, t(name)), h("p", { class: "value", "data-value": value }, text),
    h("p", { class: "change " + direction }, change));
}

/** perDay is the chart of messages per day, with the same numbers in a table below it. */
function perDay(days) {
  const plot = h("div", { class: "plot", "aria-hidden": "true" });
  const table = h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("day")), h("th", { scope: "col", class: "number" }, t("messages")))),
    h("tbody", {}, days.map((d) => h("tr", {}, h("td", {}, date(d.date)), h("td", { class: "number", "data-messages": d.messages }, number(d.messages))))));
  requestAnimationFrame(() => chart(plot, days));
  return h("section", { class: "card" }, h("h2", {}, t("perDay")), plot, h("details", {}, h("summary", {}, t("table")), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("perDay") }, table)));
}

function chart(element, days) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  const options = {
    width: element.clientWidth, height: 220, padding: [12, 8, 0, 0], legend: { show: false }, cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false, range: [-0.6, days.length - 0.4] }, y: { range: (_, __, max) => [0, Math.max(max, 1) * 1.05] } },
    axes: [
      { ...axis, size: 28, grid: { show: false }, space: 70, values: (_, at) => at.map((i) => (days[i] ? date(days[i].date, { day: "numeric", month: "short" }) : "")), incrs: [1, 2, 5, 7, 14, 30, 60] },
      { ...axis, size: 48, values: (_, at) => at.map(short) },
    ],
    series: [{}, { stroke: color("--accent"), fill: color("--accent"), width: 0, paths: uPlot.paths.bars({ size: [0.7, 40], radius: 0.15 }), points: { show: false } }],
  };
  const plot = new uPlot(options, [days.map((_, i) => i), days.map((d) => d.messages)], element);
  const tip = h("div", { class: "tip", hidden: true });
  element.append(tip);
  plot.over.addEventListener("mousemove", () => {
    const d = days[plot.cursor.idx];
    tip.hidden = !d;
    if (d) tip.textContent = `${date(d.date)}: ${number(d.messages)}`;
  });
  plot.over.addEventListener("mouseleave", () => { tip.hidden = true; });
  new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 220 })).observe(element);
}

/** hiddenPersons replaces the list of persons and says which setting of the workspace hides it. */
const hiddenPersons = (setting) => h("section", { class: "card", "data-hidden": setting }, h("h2", {}, t("topUsers")), h("p", { class: "hint" }, t("personsHidden", setting)));

/** top is a ranked list. The length of a bar is relative to the first one's. */
function top(kind, entries) {
  const most = Math.max(1, ...entries.map((e) => e.value));
  const list = h("ol", {}, entries.map((e) => {
    const bar = h("span", { class: "bar" });
    bar.style.width = `${(100 * e.value) / most}%`;
    return h("li", {}, h("span", { class: "name", title: e.id }, e.name || e.id), h("span", { class: "number" }, number(e.value)), h("span", { class: "track" }, bar));
  }));
  return h("section", { class: "card", "data-top": kind }, h("div", { class: "row spread" }, h("h2", {}, t("top" + kind[0].toUpperCase() + kind.slice(1))), h("small", {}, t(kind === "models" ? "requests" : "messages"))), entries.length ? list : h("p", { class: "hint" }, t("none")));
}
