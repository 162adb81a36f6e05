// The choice of a period: one of the four named ranges, or two dates that can be exported.
import { h } from "./dom.js";
import { t, dates, date } from "./words.js";

/**
 * periodPicker makes the choice. It calls changed at each choice, with the query
 * ("range=last_month" or "from=…&to=…"), or with null while the dates are not valid. The page has
 * several pickers; prefix keeps their ids apart.
 */
export function periodPicker(prefix, catalogue, initial, changed) {
  const chosen = new URLSearchParams(initial);
  const today = catalogue.today;
  const from = h("input", { type: "date", id: prefix + "-from", min: catalogue.earliest, max: today, value: chosen.get("from") ?? catalogue.ranges[0].from });
  const to = h("input", { type: "date", id: prefix + "-to", min: catalogue.earliest, value: chosen.get("to") ?? today });
  const error = h("p", { class: "error", role: "alert" });
  const custom = h("div", { class: "custom", hidden: !chosen.has("from") },
    h("label", { for: from.id }, t("from")), from, h("label", { for: to.id }, t("to")), to,
    h("p", { class: "hint" }, t("earliest", date(catalogue.earliest))), error);
  let query = initial;

  const choose = (next) => { query = next; error.textContent = ""; changed(query); };
  const chooseDates = () => {
    const wrong = !from.value || !to.value ? t("bothDates")
      : from.value < catalogue.earliest ? t("earliest", date(catalogue.earliest))
      : from.value > today ? t("notAfterToday")
      : to.value < from.value ? t("endsBefore") : "";
    from.setAttribute("aria-invalid", String(wrong !== "" && wrong !== t("endsBefore")));
    to.setAttribute("aria-invalid", String(wrong === t("endsBefore")));
    if (wrong) {
      query = null;
      error.textContent = wrong;
      changed(null);
      return;
    }
    choose(new URLSearchParams({ from: from.value, to: to.value }).toString());
  };
  from.addEventListener("change", chooseDates);
  to.addEventListener("change", chooseDates);

  const option = (name, label, detail, onchange, checked) => h("label", { class: "choice" },
    h("input", { type: "radio", name: prefix + "-range", value: name, checked, onchange }),
    h("span", {}, label), detail && h("small", {}, detail));
  const element = h("fieldset", { class: "period" }, h("legend", {}, t("period")),
    h("div", { class: "choices" },
      catalogue.ranges.map((r) => option(r.name, t(r.name), dates(r.from, r.to), () => { custom.hidden = true; choose("range=" + r.name); }, chosen.get("range") === r.name)),
      option("custom", t("custom"), null, () => { custom.hidden = false; chooseDates(); from.focus(); }, chosen.has("from"))),
    custom);
  return { element, query: () => query };
}
