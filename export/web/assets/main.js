// The page: the sign-in, or the analytics of the workspace with the export dialog.
import { h, fill, announce } from "./dom.js";
import * as api from "./api.js";
import { t, reason, speak, spoken, languages, moment } from "./words.js";
import { analytics, firstPeriod } from "./analytics.js";
import { exportDialog } from "./export.js";

const root = document.getElementById("app");

function languageSwitch(redraw) {
  const select = h("select", { "aria-label": t("language"), onchange: () => { speak(select.value); redraw(); } },
    Object.entries(languages).map(([code, name]) => h("option", { value: code, lang: code, selected: code === spoken() }, name)));
  return select;
}

function brand() {
  return h("span", { class: "brand" }, h("img", { src: "app/icon.svg", alt: "", width: 24, height: 24 }), "Rollcall");
}

/** signInView asks for a key. why says that the previous session ended, if it did. */
function signInView(why) {
  document.title = `${t("signIn")} · Rollcall`;
  const error = h("p", { class: "error", id: "key-error", role: "alert" }, why ?? "");
  const key = h("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-hint key-error" });
  const button = h("button", { class: "primary", type: "submit" }, t("signIn"));
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    button.textContent = t("signingIn");
    try {
      await api.signIn(key.value.trim());
      key.value = "";
      await start();
    } catch (e) {
      error.textContent = e.status === 401 ? t("wrongKey") : reason(e);
      key.setAttribute("aria-invalid", "true");
      button.disabled = false;
      button.textContent = t("signIn");
      key.focus();
    }
  };
  fill(root, h("main", { class: "sign-in" },
    h("form", { class: "card", onsubmit: submit },
      h("div", { class: "row spread" }, brand(), languageSwitch(() => signInView(why))),
      h("h1", {}, t("signInTitle")),
      h("label", { for: "key" }, t("key")), key,
      h("p", { class: "hint", id: "key-hint" }, t("signInHint")),
      error, button)));
  key.focus();
}

/**
 * workspaceView shows the session's workspace. first is the promise of firstPeriod's summary, if it
 * was requested before.
 */
function workspaceView(catalogue, first) {
  document.title = `${t("title")} · ${catalogue.org_name || catalogue.org_id} · Rollcall`;
  const dialog = exportDialog(catalogue, ended);
  const through = h("span", { id: "complete-through" });
  const showThrough = ({ complete_through: at }) => { through.textContent = at ? t("completeThrough", moment(at)) : t("notComplete"); };
  showThrough(catalogue);
  const content = h("main", { id: "content", tabindex: "-1" });
  const problem = h("p", { class: "error banner", id: "sign-out-error", role: "alert" });
  const signOut = h("button", { id: "sign-out", onclick: () => leave(signOut, problem) }, t("signOut"));
  fill(root,
    h("a", { class: "skip", href: "#content" }, t("skip")),
    h("header", {},
      brand(),
      h("span", { class: "workspace" }, catalogue.org_name || catalogue.org_id),
      h("span", { class: "grow" }),
      languageSwitch(() => workspaceView(catalogue)),
      signOut,
      h("button", { class: "primary", id: "export", onclick: () => dialog.open(view.period() ?? firstPeriod) }, t("export"))),
    problem, content, dialog.element,
    h("footer", {}, through, h("a", { href: "openapi.yaml" }, "OpenAPI")));
  const view = analytics(content, catalogue, ended, showThrough, first);
}

/**
 * leave signs out. If that fails, the page says so and keeps the workspace: the session is still
 * valid, and a user who walks away must know that.
 */
async function leave(button, problem) {
  button.disabled = true;
  problem.textContent = "";
  try {
    await api.signOut();
    signInView();
  } catch (e) {
    problem.textContent = `${t("signOutFailed")} ${reason(e)}`;
    button.disabled = false;
    problem.scrollIntoView({ block: "center" }); // the button stays in sight while the page scrolls
    button.focus({ preventScroll: true });
  }
}

/**
 * ended shows the sign-in if a call failed because the session ended. It returns whether it did.
 */
function ended(problem) {
  if (problem.status !== 401) return false;
  signInView(t("expired"));
  return true;
}

async function start() {
  const first = api.summary(firstPeriod); // requested at once, beside the catalogue
  first.catch(() => {}); // no unhandled rejection: analytics reports the failure, if it is shown at all
  try {
    workspaceView(await api.catalogue(), first);
  } catch (e) {
    if (e.status === 401) return signInView();
    fill(root, h("main", { class: "sign-in" }, h("div", { class: "card" }, brand(),
      h("p", { class: "error", role: "alert" }, t("failed"), " ", reason(e)), h("button", { class: "primary", onclick: start }, t("retry")))));
    announce(t("failed"));
  }
}

speak();
start();
