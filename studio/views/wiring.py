"""What the handlers of the page share: how quick ones are registered, and the scripts that run in the browser."""

import json
from typing import Any

import gradio as gr
from gradio.components.textbox import InputHTMLAttributes

PAUSE = 200  # milliseconds without a key after which someone is taken to have paused

# Handlers that only read or show something: never queued behind the model; of calls that come too fast the last counts.
QUICK = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private"}

MODEL = {"concurrency_limit": 1, "concurrency_id": "model"}  # work on the model queues, one visitor at a time

# Work on the Hub takes as long as the network does: it waits for nobody's model, and few do it at once.
HUB = {"concurrency_limit": 4, "concurrency_id": "hub", "show_progress": "hidden", "api_visibility": "private"}

# Events that may wait for the model or the network, of all people together: at ten seconds each, the last one's answer
# comes after five minutes, and nobody waits longer.
MAX_WAITING = 32
FULL = "Not started: too many people are waiting. Try again in a minute."

# A field whose text no browser keeps or changes.
NO_MEMORY = InputHTMLAttributes(autocomplete="off", autocapitalize="off", autocorrect="off", spellcheck=False)

# Screen readers announce changes only inside an element that stays, so the roles go to the component's own element.
LIVE_REGION = "element.setAttribute('role', 'status'); element.setAttribute('aria-live', 'polite');"

# Markup that answers to clicks and edits: `data-do` says what, `data-id` of what. A button with `data-sure` asks first,
# in its own place; one in a row, card or form with `data-field`s sends what they hold along, as Enter in an input does.
# Gradio updates markup by patching the elements that are there, and a field that was typed in keeps its text through
# that: where it has become another one's field, or its own text is another, it is made to show that.
ACTIONS = """
const shown = new WeakMap();
const settle = () => {
  for (const field of element.querySelectorAll("input, select, textarea")) {
    const chosen = field.matches("select") ? field.querySelector("option[selected]") ?? field.options[0] : null;
    const text = field.type === "checkbox" ? String(field.defaultChecked) : chosen?.value ?? field.defaultValue;
    const is = JSON.stringify([field.dataset.do, field.dataset.field, field.dataset.id, text]);
    if (shown.has(field) && shown.get(field) !== is) {
      if (field.type === "checkbox") field.checked = field.defaultChecked;
      else field.value = text;
    }
    shown.set(field, is);
  }
};
settle();
new MutationObserver(settle).observe(element, {subtree: true, childList: true, attributes: true, characterData: true});
let asked = null, was = "", label = null;
const calm = () => {
  if (!asked) return;
  asked.innerHTML = was;
  if (label !== null) asked.setAttribute("aria-label", label);
  asked = null;
};
element.addEventListener("focusout", calm);
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (!button) return;
  if (button.dataset.sure && asked !== button) {
    calm();
    [asked, was, label] = [button, button.innerHTML, button.getAttribute("aria-label")];
    button.textContent = button.dataset.sure;
    if (label !== null) button.setAttribute("aria-label", `${button.dataset.sure} ${label}`);
    return;
  }
  calm();
  const value = {};
  for (const field of button.closest("tr, .card, .form")?.querySelectorAll("[data-field]") ?? []) {
    value[field.dataset.field] = field.value;
  }
  trigger("edit", {what: button.dataset.do, id: button.dataset.id ?? "", value});
});
element.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("input[data-field]")) return;
  event.preventDefault();
  event.target.parentElement.querySelector("button[data-do]")?.click();
});
element.addEventListener("change", (event) => {
  const field = event.target.closest(":is(input, select, textarea)[data-do]");
  if (!field) return;
  const value = field.type === "checkbox" ? field.checked : field.value;
  trigger("edit", {what: field.dataset.do, id: field.dataset.id, value});
});"""

# The map: a skill that is pointed at or focused shows its nearest.
MAP = """
const point = (event) => {
  const button = event.target.closest(".atlas button");
  const near = new Set(button?.dataset.near.split(" "));
  const number = button?.dataset.number;
  for (const other of element.querySelectorAll(".atlas button")) {
    other.parentElement.toggleAttribute("data-near", near.has(other.dataset.number));
    other.parentElement.toggleAttribute("data-at", other === button);
  }
  for (const line of element.querySelectorAll(".atlas path")) {
    line.toggleAttribute("data-on", line.dataset.ends.split(" ")[0] === number);
  }
  const told = element.querySelector(".told");
  if (button && told) told.textContent = button.dataset.told;
};
element.addEventListener("mouseover", point);
element.addEventListener("focusin", point);"""

# Where the control that the keys are on is disabled, hidden or gone, they would begin at the top of the page again. The
# next one in its box gets them: in that of tabs the one that is open now. They go back once it is there again.
_KEEP_FOCUS = """
const CONTROLS = `button, a[href], summary, select, textarea, [tabindex="0"],
  input:not([type="radio"]:not(:checked))`;
const isThere = (control) => Boolean(control?.isConnected && control.offsetParent && !control.disabled);
let keyed = null, left = null, boxes = [], after = new Set(), looking = null;
function hold(control) {
  if (control === keyed || control === document.body) return;
  keyed = control;
  left = null;
  boxes = [];
  for (let box = control.parentElement; box; box = box.parentElement) boxes.push(box);
  const all = [...document.querySelectorAll(CONTROLS)];
  after = new Set(all.slice(all.indexOf(control) + 1));
}
function nextTo() {
  for (const box of boxes.filter(isThere)) {
    const there = [...box.querySelectorAll(CONTROLS)].filter((each) => isThere(each) && each.tabIndex >= 0);
    const open = box.matches(".tabs") && there.find((each) => each.matches('[role="tab"][aria-selected="true"]'));
    const next = open || (there.find((each) => after.has(each)) ?? there.at(-1));
    if (next) return next;
  }
}
function keepFocus() {
  looking = null;
  const now = document.activeElement, isLost = !isThere(keyed);
  if (!keyed || (now !== keyed && !(isLost && now === document.body)) || !(isLost || isThere(left))) return;
  const from = keyed, next = isThere(left) ? left : nextTo();
  next?.focus({preventScroll: true});
  if (document.activeElement !== next) return;
  hold(next);
  left = isLost ? from : null;
}
window.addEventListener("keydown", (event) => {
  hold(event.target);
  if (!keyed?.matches("button")) left = null;  // somebody types there
  if (left && event.repeat && event.key === "Enter") event.preventDefault();  // held down since it was on that one
}, true);
window.addEventListener("keyup", (event) => hold(event.target), true);
window.addEventListener("pointerdown", () => { keyed = left = null; }, true);
new MutationObserver(() => {
  looking ??= setTimeout(keepFocus, 100);  // of what changes at once, one part may be there before another
}).observe(document, {subtree: true, childList: true, attributeFilter: ["class", "disabled"]});"""

# Gradio's buttons that unfold something show by their look alone whether they have.
_TELL_FOLDS = """
new MutationObserver(() => {
  const tell = (button, isOpen) => {
    if (button.getAttribute("aria-expanded") !== String(isOpen)) button.setAttribute("aria-expanded", isOpen);
  };
  for (const button of document.querySelectorAll("button.label-wrap")) tell(button, button.matches(".open"));
  const imports = document.querySelector("#open-import");
  if (imports) tell(imports, Boolean(document.querySelector("#import")));
}).observe(document, {subtree: true, childList: true, attributeFilter: ["class"]});"""

# Ctrl+Enter compares from anywhere in its tab. Gradio gives each radio button a name of its own, at every redraw anew;
# with a common one the list is one stop of the tab key, and the arrow keys walk it. To a key in a drop-down it answers
# a moment later: after Tab that would open the list of one that was left.
_KEYS = """
function showChosen() {
  document.querySelector("#picker .selected")?.scrollIntoView({block: "nearest"});
}
// A tab has its own; a new one, what was kept last in any.
function stored(what) {
  const key = `parametric-skills-${what}`;
  try { return sessionStorage.getItem(key) ?? localStorage.getItem(key) ?? ""; } catch { return ""; }
}
function store(what, text) {
  try {
    for (const kept of [sessionStorage, localStorage]) kept.setItem(`parametric-skills-${what}`, text);
  } catch {}
}
function joinSkills() {
  for (const input of document.querySelectorAll("#picker input")) input.name = "library";
}
window.addEventListener("keydown", joinSkills, true);
window.addEventListener("keydown", (event) => {
  if (event.key === "Tab" && event.target.getAttribute("role") === "combobox") event.stopPropagation();
}, true);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const compare = document.querySelector("#compare");
  if (compare?.offsetParent && !compare.disabled) { event.preventDefault(); compare.click(); }
}, true);"""

HEAD = f"<script>{_KEEP_FOCUS}{_TELL_FOLDS}{_KEYS}</script>"

# Once the page stands.
START = """() => {
  joinSkills();
  showChosen();
  const compare = document.querySelector("#compare");
  compare.title = "Ctrl+Enter";
  compare.setAttribute("aria-keyshortcuts", "Control+Enter");
}"""

# The list of skills, once another one was opened from elsewhere.
SHOW_CHOSEN = "() => setTimeout(showChosen, 100)"


# What stands behind the '#' of the page's address is sent to no server by itself: the page hands it over. A new link in
# the address bar of an open page is followed too.
FRAGMENT = """(link, draft, left, ...page) => {
  window.addEventListener("hashchange", () => { if (location.hash.startsWith("#link=")) location.reload(); });
  return [location.hash, stored("draft"), stored("left"), ...page];
}"""


def when_full(event: Any, button: gr.Button, line: gr.HTML) -> None:
    """Where the server did not take an event on: the button comes back, and the line says why."""
    said = json.dumps(f'<p class="line" data-state="failed">{FULL}</p>')
    script = f"() => [{{interactive: true, __type__: 'update'}}, {said}]"
    event.failure(None, outputs=[button, line], js=script, api_visibility="private")


def typing(selector: str) -> gr.HTML:
    """An invisible component that tells when someone edits the fields under a CSS selector.

    Its event `edit` comes at once, `input` at the next pause. A Textbox has an `input` of its own, but that one stays
    silent when text is pasted or deleted (Gradio 6.31), and its `change` also comes when a handler sets the text.
    """
    script = f"""
let pause;
document.addEventListener("input", (event) => {{
  if (!event.target.closest("{selector}")) return;
  trigger("edit");
  clearTimeout(pause);
  pause = setTimeout(() => trigger("input"), {PAUSE});
}});"""
    return gr.HTML("", visible="hidden", js_on_load=script)
