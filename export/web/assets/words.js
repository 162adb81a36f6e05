// The page's texts in its languages, and numbers and dates in the form of that language. The CSV
// does not depend on the language.

/** settings say which setting of the workspace hides persons. */
const settings = {
  en: {
    user_level_data: "the workspace's setting user_level_data is off",
    pseudonymize: "the workspace's setting pseudonymize is on",
  },
  de: {
    user_level_data: "die Einstellung user_level_data des Workspace ist ausgeschaltet",
    pseudonymize: "die Einstellung pseudonymize des Workspace ist eingeschaltet",
  },
};

const words = {
  en: {
    title: "Usage", signInTitle: "Sign in", signInHint: "Paste a workspace key with the scope USAGE_EXPORT_API. It is exchanged for a session and does not stay in this page.",
    key: "Workspace key", signIn: "Sign in", signOut: "Sign out", signingIn: "Signing in…", signOutFailed: "Signing out failed: you are still signed in.", wrongKey: "This key is not valid. Check that it was copied whole, or ask for a new one.",
    expired: "Your session has ended. Sign in again.", language: "Language", export: "Export", period: "Period", apply: "Apply",
    this_month: "This month", last_month: "Last month", this_week: "This week", last_week: "Last week", custom: "Custom", from: "From", to: "To",
    completeThrough: (t) => `Data complete through ${t}`, notComplete: "No data has arrived yet", loading: "Loading…", retry: "Try again", failed: "This could not be loaded.",
    offline: "The service cannot be reached. Check your connection and try again.", tooMany: "Too many requests within a minute. Wait a little.", unavailable: "The service is busy or does not answer at the moment. Try again in a few seconds.",
    messages: "Messages", active_users: "Active users", assistants: "Assistants", projects: "Projects", actions: "Actions", tokens: "Tokens", cost_usd: "Cost",
    requests: "Requests", comparedWith: (p) => `Changes compare with ${p}.`, unchanged: "unchanged", fromZero: "new", notComparable: "There is no earlier period to compare with.",
    perDay: "Messages per day", day: "Day", table: "Show as table", topUsers: "Top users", topAssistants: "Top assistants", topProjects: "Top projects", topModels: "Top models",
    nothing: "No usage in this period", nothingHint: "Choose another period, or wait for the first events to arrive.", none: "None",
    personsHidden: (s) => `Persons are not listed here: ${settings.en[s]}.`, rowsHidden: (s) => `Rows of persons are not shown here: ${settings.en[s]}. The file has them, with these columns.`,
    leftOut: (names, s) => `The file has no ${names}: ${settings.en[s]}.`,
    exportTitle: "Export usage data", dataType: "Data type", options: "Format and options", format: "Format", delimiter: "Delimiter", comma: "Comma", semicolon: "Semicolon", tab: "Tab", excelDe: "CSV for German Excel", workbook: "Excel workbook (XLSX)",
    bom: "Byte order mark (for older Excel)", inactive: "Include inactive entities", groupBy: "Group by", noGrouping: "No grouping", granularity: "Rows for", buckets: { "": "the whole period", day: "each day", week: "each week", month: "each month" }, columns: "Columns", noColumns: "Tick at least one column.", preview: "Preview: first rows", noRows: "No rows in this period.",
    generate: (f) => `Generate ${f}`, cancel: "Cancel", close: "Close", curl: "The same from a script", copy: "Copy", copied: "Copied",
    streaming: (size) => `Receiving… ${size}`, done: (name, size) => `${name} (${size}) is in your downloads.`, cancelled: "Cancelled. Nothing was saved.",
    cut: "The download broke off, so nothing was saved. Try again; if it happens twice, ask your operator to look at the export service.",
    recent: "Recent exports", noRecent: "No exports yet.", when: "When", what: "What", who: "By", size: "Size", outcome: "Outcome", between: (a, b) => `from ${a} to ${b}`,
    earliest: (d) => `Data can be exported from ${d} on.`, bothDates: "Choose both dates.", notAfterToday: "The first day must not be after today.", endsBefore: "The last day must not be before the first.", skip: "Skip to content",
    outcomes: { started: "running", complete: "complete", not_modified: "unchanged", refused: "refused", failed: "failed", aborted: "cancelled" },
    types: {
      users: ["Users", "One row per user: messages, ranks, assistants, projects, models, actions"],
      assistants: ["Assistants", "One row per assistant: messages, users, conversations"],
      workflows: ["Workflows", "One row per workflow: runs, success rate, durations, errors"],
      projects: ["Projects", "One row per project: messages, users, conversations"],
      models: ["Models", "One row per model and provider: requests"],
      "api-keys": ["API keys", "One row per API key: requests and cost"],
      departments: ["Departments", "One row per department: members, active users, messages, requests"],
      groups: ["Groups", "One row per group: members, active users, messages, requests"],
      adoption: ["Adoption", "One row per day, week or month: members, new members, active users, messages, requests"],
      focus: ["FOCUS", "Cost and tokens for FinOps tools: one row per day, model, user, key and project"],
    },
  },
  de: {
    title: "Nutzung", signInTitle: "Anmelden", signInHint: "Fügen Sie einen Workspace-Schlüssel mit dem Recht USAGE_EXPORT_API ein. Er wird gegen eine Sitzung getauscht und bleibt nicht in dieser Seite.",
    key: "Workspace-Schlüssel", signIn: "Anmelden", signOut: "Abmelden", signingIn: "Anmeldung läuft…", signOutFailed: "Das Abmelden ist fehlgeschlagen: Sie sind noch angemeldet.", wrongKey: "Dieser Schlüssel ist nicht gültig. Prüfen Sie, ob er ganz kopiert wurde, oder bitten Sie um einen neuen.",
    expired: "Ihre Sitzung ist abgelaufen. Melden Sie sich neu an.", language: "Sprache", export: "Exportieren", period: "Zeitraum", apply: "Anwenden",
    this_month: "Dieser Monat", last_month: "Letzter Monat", this_week: "Diese Woche", last_week: "Letzte Woche", custom: "Eigener", from: "Von", to: "Bis",
    completeThrough: (t) => `Daten vollständig bis ${t}`, notComplete: "Es sind noch keine Daten da", loading: "Wird geladen…", retry: "Noch einmal", failed: "Das konnte nicht geladen werden.",
    offline: "Der Dienst ist nicht erreichbar. Prüfen Sie Ihre Verbindung und versuchen Sie es noch einmal.", tooMany: "Zu viele Anfragen in einer Minute. Warten Sie ein wenig.", unavailable: "Der Dienst ist ausgelastet oder antwortet gerade nicht. Versuchen Sie es in einigen Sekunden noch einmal.",
    messages: "Nachrichten", active_users: "Aktive Personen", assistants: "Assistenten", projects: "Projekte", actions: "Aktionen", tokens: "Tokens", cost_usd: "Kosten",
    requests: "Anfragen", comparedWith: (p) => `Änderungen gegenüber ${p}.`, unchanged: "unverändert", fromZero: "neu", notComparable: "Es gibt keinen früheren Zeitraum zum Vergleichen.",
    perDay: "Nachrichten pro Tag", day: "Tag", table: "Als Tabelle zeigen", topUsers: "Top-Personen", topAssistants: "Top-Assistenten", topProjects: "Top-Projekte", topModels: "Top-Modelle",
    nothing: "Keine Nutzung in diesem Zeitraum", nothingHint: "Wählen Sie einen anderen Zeitraum, oder warten Sie auf die ersten Ereignisse.", none: "Keine",
    personsHidden: (s) => `Personen werden hier nicht aufgeführt: ${settings.de[s]}.`, rowsHidden: (s) => `Zeilen zu Personen werden hier nicht gezeigt: ${settings.de[s]}. Die Datei enthält sie, mit diesen Spalten.`,
    leftOut: (names, s) => `Die Datei hat nicht: ${names}. ${settings.de[s][0].toUpperCase()}${settings.de[s].slice(1)}.`,
    exportTitle: "Nutzungsdaten exportieren", dataType: "Datentyp", options: "Format und Optionen", format: "Format", delimiter: "Trennzeichen", comma: "Komma", semicolon: "Semikolon", tab: "Tabulator", excelDe: "CSV für deutsches Excel", workbook: "Excel-Arbeitsmappe (XLSX)",
    bom: "Byte Order Mark (für älteres Excel)", inactive: "Auch Inaktive aufführen", groupBy: "Gruppieren nach", noGrouping: "Nicht gruppieren", granularity: "Zeilen für", buckets: { "": "den ganzen Zeitraum", day: "jeden Tag", week: "jede Woche", month: "jeden Monat" }, columns: "Spalten", noColumns: "Wählen Sie mindestens eine Spalte.", preview: "Vorschau: erste Zeilen", noRows: "Keine Zeilen in diesem Zeitraum.",
    generate: (f) => `${f} erzeugen`, cancel: "Abbrechen", close: "Schließen", curl: "Dasselbe aus einem Skript", copy: "Kopieren", copied: "Kopiert",
    streaming: (size) => `Wird empfangen… ${size}`, done: (name, size) => `${name} (${size}) liegt in Ihren Downloads.`, cancelled: "Abgebrochen. Nichts wurde gespeichert.",
    cut: "Der Download brach ab, darum wurde nichts gespeichert. Versuchen Sie es noch einmal; geschieht es zweimal, lassen Sie den Export-Dienst ansehen.",
    recent: "Letzte Exporte", noRecent: "Noch keine Exporte.", when: "Wann", what: "Was", who: "Von", size: "Größe", outcome: "Ergebnis", between: (a, b) => `vom ${a} bis ${b}`,
    earliest: (d) => `Daten können ab dem ${d} exportiert werden.`, bothDates: "Wählen Sie beide Tage.", notAfterToday: "Der erste Tag darf nicht nach heute liegen.", endsBefore: "Der letzte Tag darf nicht vor dem ersten liegen.", skip: "Zum Inhalt",
    outcomes: { started: "läuft", complete: "vollständig", not_modified: "unverändert", refused: "abgelehnt", failed: "fehlgeschlagen", aborted: "abgebrochen" },
    types: {
      users: ["Personen", "Eine Zeile je Person: Nachrichten, Ränge, Assistenten, Projekte, Modelle, Aktionen"],
      assistants: ["Assistenten", "Eine Zeile je Assistent: Nachrichten, Personen, Unterhaltungen"],
      workflows: ["Workflows", "Eine Zeile je Workflow: Läufe, Erfolgsquote, Dauer, Fehler"],
      projects: ["Projekte", "Eine Zeile je Projekt: Nachrichten, Personen, Unterhaltungen"],
      models: ["Modelle", "Eine Zeile je Modell und Anbieter: Anfragen"],
      "api-keys": ["API-Schlüssel", "Eine Zeile je API-Schlüssel: Anfragen und Kosten"],
      departments: ["Abteilungen", "Eine Zeile je Abteilung: Mitglieder, aktive Personen, Nachrichten, Anfragen"],
      groups: ["Gruppen", "Eine Zeile je Gruppe: Mitglieder, aktive Personen, Nachrichten, Anfragen"],
      adoption: ["Verbreitung", "Eine Zeile je Tag, Woche oder Monat: Mitglieder, neue Mitglieder, aktive Personen, Nachrichten, Anfragen"],
      focus: ["FOCUS", "Kosten und Tokens für FinOps-Werkzeuge: eine Zeile je Tag, Modell, Person, Schlüssel und Projekt"],
    },
  },
};

export const languages = { en: "English", de: "Deutsch" };

let language = "en";
let locale = "en"; // of dates and numbers; en-GB if the browser asks for it
let w = words.en;

/**
 * speak sets the language: choice, else the one chosen before, else the browser's, else English.
 */
export function speak(choice) {
  const wanted = choice ?? remembered() ?? navigator.languages?.find((l) => words[l.slice(0, 2)])?.slice(0, 2);
  language = words[wanted] ? wanted : "en";
  locale = navigator.languages?.find((l) => l.slice(0, 2) === language) ?? language;
  w = words[language];
  document.documentElement.lang = language;
  if (choice) try { localStorage.setItem("rollcall-language", choice); } catch { /* private mode: only this visit */ }
}

function remembered() {
  try { return localStorage.getItem("rollcall-language") ?? undefined; } catch { return undefined; }
}

export const spoken = () => language;
export const t = (name, ...values) => (typeof w[name] === "function" ? w[name](...values) : w[name]);

/**
 * reason says why a call failed. It is the service's sentence, which is English. A page in another
 * language has its own texts for status 429 and above.
 */
export function reason(problem) {
  if (!problem.status) return t("offline");
  if (language === "en" || problem.status < 429) return problem.message;
  return t(problem.status === 429 ? "tooMany" : "unavailable");
}

export const number = (n) => new Intl.NumberFormat(locale).format(n);
export const short = (n) => new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(n);
export const dollars = (n) => new Intl.NumberFormat(locale, { style: "currency", currency: "USD" }).format(n);
export const percent = (n) => new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" }).format(n);
export const date = (day, options = { dateStyle: "medium" }) => new Intl.DateTimeFormat(locale, { timeZone: "UTC", ...options }).format(new Date(day + "T00:00:00Z"));
export const dates = (from, to) =>
  new Intl.DateTimeFormat(locale, { timeZone: "UTC", dateStyle: "medium" }).formatRange(new Date(from + "T00:00:00Z"), new Date(to + "T00:00:00Z"));
export const moment = (iso) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(iso));
export function bytes(n) {
  const unit = n < 1000 ? "byte" : n < 1e6 ? "kilobyte" : n < 1e9 ? "megabyte" : "gigabyte";
  const by = { byte: 1, kilobyte: 1e3, megabyte: 1e6, gigabyte: 1e9 }[unit];
  return new Intl.NumberFormat(locale, { style: "unit", unit, maximumFractionDigits: n < 1000 ? 0 : 1 }).format(n / by);
}
