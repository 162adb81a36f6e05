// The export dialog: choose the type, the period and the format, then download the file.
import { h, fill, announce } from "./dom.js";
import * as api from "./api.js";
import { t, reason, bytes, moment, dates, spoken } from "./words.js";
import { periodPicker } from "./period.js";

const numeric = /^(integer|ratio|rate|cost|quantity)( or null)?$/; // kinds of columns
const formats = { csv: "CSV", "excel-de": "CSV", xlsx: "XLSX", ndjson: "NDJSON", json: "JSON", parquet: "Parquet" }; // excel-de is a preset of CSV

/** usualFormat is the one that was chosen last; before that, a German reader gets what German Excel reads. */
function usualFormat() {
  let last = null;
  try { last = localStorage.getItem("rollcall-format"); } catch { /* private mode */ }
  return last in formats ? last : spoken() === "de" ? "excel-de" : "csv";
}

/** exportDialog makes the dialog. Its open(period) shows it. */
export function exportDialog(catalogue, ended) {
  const body = h("div", { class: "dialog-body" });
  const element = h("dialog", { "aria-labelledby": "export-title" }, body);
  let running = null; // the AbortController of the download
  element.addEventListener("cancel", (event) => { if (running) { event.preventDefault(); running.abort(); } });

  function open(period) {
    fill(body, ...form(period));
    element.showModal();
    refresh();
    showHistory();
  }

  let leftOut, type, format, delimiter, bom, inactive, group, granularity, wanted, wasUsual, columnBox, picker, previewBox, curl, status, generate, cancel, recent;

  function form(period) {
    type = h("fieldset", { class: "types" }, h("legend", {}, t("dataType")), catalogue.types.map((entry, i) => {
      const [label, line] = t("types")[entry.type] ?? [entry.type, ""];
      return h("label", { class: "choice" }, h("input", { type: "radio", name: "type", value: entry.type, checked: i === 0, onchange: typeChanged }), h("span", {}, label), h("small", {}, line));
    }));
    leftOut = h("p", { class: "hint", id: "left-out", hidden: true });
    format = select("format", Object.entries(formats).map(([value, name]) => [value, { "excel-de": t("excelDe"), xlsx: t("workbook") }[value] ?? name]), formatChosen);
    format.value = usualFormat();
    delimiter = select("delimiter", ["comma", "semicolon", "tab"].map((d) => [d, t(d)]), refresh);
    bom = h("input", { type: "checkbox", id: "bom", onchange: refresh });
    inactive = h("input", { type: "checkbox", id: "inactive", checked: true, onchange: refresh });
    group = select("group", [["", t("noGrouping")]], () => { fillColumns(); refresh(); });
    granularity = select("granularity", [], granularityChosen);
    wanted = ""; // the granularity that was chosen; "": the usual one of the type
    wasUsual = true;
    columnBox = h("div", { class: "fields" });
    fillGranularities();
    fillGroups();
    picker = periodPicker("dialog", catalogue, period, refresh);
    previewBox = h("div", { class: "preview scroll", tabindex: "0", role: "region", "aria-label": t("preview") });
    curl = h("code", {});
    status = h("p", { class: "status", role: "status" });
    generate = h("button", { class: "primary", type: "button", id: "generate", onclick: download }, t("generate", formats[format.value]));
    cancel = h("button", { type: "button", id: "cancel", hidden: true, onclick: () => running?.abort() }, t("cancel"));
    showCsvOptions();
    recent = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("recent") });
    return [
      h("div", { class: "row spread" }, h("h2", { id: "export-title" }, t("exportTitle")),
        h("button", { type: "button", class: "quiet", "aria-label": t("close"), onclick: () => { running?.abort(); element.close(); } }, "✕")),
      h("div", { class: "columns" }, type, picker.element), leftOut,
      h("details", {}, h("summary", {}, t("options")), h("div", { class: "fields" },
        field("format", format), field("delimiter", delimiter), field("groupBy", group), field("granularity", granularity),
        h("label", { class: "check" }, bom, t("bom")), h("label", { class: "check" }, inactive, t("inactive")))),
      h("details", {}, h("summary", {}, t("columns")), columnBox),
      h("section", {}, h("h3", {}, t("preview")), previewBox),
      h("details", {}, h("summary", {}, t("curl")), h("div", { class: "curl" }, h("pre", {}, curl), h("button", { type: "button", onclick: copy }, t("copy")))),
      h("details", { id: "recent" }, h("summary", {}, t("recent")), recent),
      h("div", { class: "row actions" }, status, cancel, generate),
    ];
  }

  const select = (id, options, onchange) => h("select", { id, onchange }, options.map(([value, label]) => h("option", { value }, label)));
  const field = (name, control) => h("div", { class: "field" }, h("label", { for: control.id }, t(name)), control);
  const chosenType = () => body.querySelector("input[name=type]:checked").value;

  const entryOfType = () => catalogue.types.find((e) => e.type === (body.querySelector("input[name=type]:checked")?.value ?? catalogue.types[0].type));

  /** usually says whether the granularity is the one that a request has that names none. */
  const usually = () => granularity.value === entryOfType().granularities[0];

  function fillGranularities() {
    const possible = entryOfType().granularities;
    fill(granularity, possible.map((g) => h("option", { value: g }, t("buckets")[g])));
    granularity.value = possible.includes(wanted) ? wanted : possible[0];
  }

  function fillGroups() {
    fill(group, h("option", { value: "" }, t("noGrouping")), (entryOfType().group_by ?? []).map((g) => h("option", { value: g }, g)));
    fillColumns();
  }

  /** fillColumns lists the columns that the grouping allows; those that a file usually has are ticked. */
  function fillColumns() {
    const possible = entryOfType().columns.filter((c) => !c.when.startsWith("with group_by=") || c.when === `with group_by=${group.value}`);
    fill(columnBox, possible.map((c) => h("label", { class: "check", title: c.meaning },
      h("input", { type: "checkbox", name: "column", value: c.name, checked: c.default, "data-usual": c.default, onchange: refresh }), c.name)));
  }

  /** columns are the names that are ticked, for the parameter; default stands for the usual ones. */
  function columns() {
    const boxes = [...columnBox.querySelectorAll("input")];
    const usual = boxes.filter((b) => "usual" in b.dataset);
    const names = (list) => list.filter((b) => b.checked).map((b) => b.value);
    return usual.every((b) => b.checked) ? ["default", ...names(boxes.filter((b) => !usual.includes(b)))] : names(boxes);
  }
  const complete = () => picker.query() !== null && columns().length > 0;
  /** granularityChosen: a row for everybody in each bucket is what few want, so it must be asked for. */
  function granularityChosen() {
    wanted = usually() ? "" : granularity.value;
    showGranularity();
  }
  function showGranularity() {
    if (usually() !== wasUsual) inactive.checked = wasUsual = usually();
    refresh();
  }
  /** typeChanged: a FOCUS file lists usage alone. */
  function typeChanged() {
    fillGranularities();
    fillGroups();
    inactive.disabled = chosenType() === "focus";
    if (inactive.disabled) inactive.checked = true;
    showGranularity();
  }
  function showCsvOptions() { delimiter.disabled = bom.disabled = format.value !== "csv"; }
  function formatChosen() {
    try { localStorage.setItem("rollcall-format", format.value); } catch { /* private mode: only this visit */ }
    showCsvOptions();
    generate.textContent = t("generate", formats[format.value]);
    refresh();
  }

  /** query is the query of the request, without parameters that have their default. */
  function query() {
    const q = new URLSearchParams(picker.query());
    if (group.value) q.set("group_by", group.value);
    if (!usually()) q.set("granularity", granularity.value);
    if (inactive.checked !== usually()) q.set("include_inactive", inactive.checked);
    if (columns().join() !== "default") q.set("columns", columns().join());
    if (format.value === "excel-de") q.set("preset", "excel-de");
    else if (format.value !== "csv") q.set("format", format.value);
    else {
      if (delimiter.value !== "comma") q.set("delimiter", delimiter.value);
      if (bom.checked) q.set("bom", "true");
    }
    return q;
  }

  let asked = 0;
  async function refresh() {
    const mine = ++asked;
    generate.disabled = running !== null || !complete();
    if (columns().length === 0) fill(previewBox, h("p", { class: "hint" }, t("noColumns")));
    if (!complete()) return;
    const address = new URL(api.exportPath(chosenType(), query()), document.baseURI).href;
    curl.textContent = `curl -fOJ -H "Authorization: Bearer $ROLLCALL_KEY" '${address}'`;
    status.textContent = "";
    showLeftOut();
    const kinds = new Map(catalogue.types.find((e) => e.type === chosenType()).columns.map((c) => [c.name, c.type]));
    const q = query();
    for (const name of ["format", "delimiter", "bom", "preset"]) q.delete(name);
    previewBox.setAttribute("aria-busy", "true");
    if (!previewBox.hasChildNodes()) fill(previewBox, h("p", { class: "hint" }, t("loading")));
    try {
      const { columns: names, rows, persons_hidden_by: hidden } = await api.preview(chosenType(), q);
      if (mine !== asked) return;
      const numbers = names.map((name) => (numeric.test(kinds.get(name)) ? { class: "number" } : {}));
      fill(previewBox, hidden ? h("p", { class: "hint" }, t("rowsHidden", hidden)) : rows.length === 0 && h("p", { class: "hint" }, t("noRows")),
        (hidden || rows.length > 0) && h("table", {}, h("thead", {}, h("tr", {}, names.map((c, i) => h("th", { scope: "col", ...numbers[i] }, c)))),
          h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, i) => h("td", numbers[i], cell)))))));
    } catch (e) {
      if (mine !== asked || ended(e)) return;
      fill(previewBox, h("p", { class: "error", role: "alert" }, reason(e)));
    } finally {
      if (mine === asked) previewBox.setAttribute("aria-busy", "false");
    }
  }

  /** showLeftOut says which columns the file lacks because of a setting of the workspace. */
  function showLeftOut() {
    const names = catalogue.types.find((e) => e.type === chosenType()).left_out;
    leftOut.hidden = names.length === 0;
    leftOut.textContent = names.length === 0 ? "" : t("leftOut", names.join(", "), catalogue.persons_hidden_by);
  }

  /**
   * download saves the file only after it received all of it, so a file that was cut is never
   * saved.
   */
  async function download() {
    running = new AbortController();
    generate.disabled = true;
    cancel.hidden = false;
    try {
      const response = await api.call(api.exportPath(chosenType(), query()), { signal: running.signal });
      const name = api.fileName(response.headers.get("Content-Disposition") ?? "");
      const parts = [];
      let size = 0;
      for (const reader = response.body.getReader(); ;) {
        const { done, value } = await reader.read();
        if (done) break;
        parts.push(value);
        size += value.length;
        status.textContent = t("streaming", bytes(size));
      }
      save(new Blob(parts, { type: response.headers.get("Content-Type") }), name);
      say(t("done", name, bytes(size)));
    } catch (e) {
      if (e.name === "AbortError") say(t("cancelled"));
      else if (e instanceof api.Problem) ended(e) || say(reason(e), true);
      else say(t("cut"), true);
    } finally {
      running = null;
      generate.disabled = !complete();
      cancel.hidden = true;
      if (element.isConnected) showHistory();
    }
  }

  function say(text, wrong = false) {
    status.textContent = text;
    status.classList.toggle("error", wrong);
    announce(text);
  }

  function save(blob, name) {
    const link = h("a", { href: URL.createObjectURL(blob), download: name });
    body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  async function copy(event) {
    await navigator.clipboard.writeText(curl.textContent);
    event.target.textContent = t("copied");
    announce(t("copied"));
  }

  async function showHistory() {
    try {
      const entries = await api.history();
      fill(recent, entries.length === 0 ? h("p", { class: "hint" }, t("noRecent")) :
        h("table", {}, h("thead", {}, h("tr", {}, ["when", "what", "period", "who", "size", "outcome"].map((c) => h("th", { scope: "col" }, t(c))))),
          h("tbody", {}, entries.map((e) => h("tr", {},
            h("td", {}, moment(e.started_at)), h("td", {}, `${t("types")[e.type]?.[0] ?? e.type} (${e.format})`), h("td", {}, e.from ? dates(e.from, e.to) : "–"),
            h("td", {}, e.by), h("td", { class: "number" }, bytes(e.bytes)), h("td", {}, t("outcomes")[e.outcome] ?? e.outcome))))));
    } catch (e) {
      if (!ended(e)) fill(recent, h("p", { class: "error" }, reason(e)));
    }
  }

  return { element, open };
}
