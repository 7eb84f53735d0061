"""What the handlers of the page share: how quick ones are registered, and the scripts that run in the browser."""

import json
from typing import Any

import gradio as gr
from gradio.components.textbox import InputHTMLAttributes

PAUSE = 200  # milliseconds without a key after which someone is taken to have paused

# Handlers that only read or show something: never queued behind the model; of calls that come too fast the last counts.
QUICK = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private"}

# Work on the Hub takes as long as the network does: it waits for nobody's model, and few do it at once.
HUB = {"concurrency_limit": 4, "concurrency_id": "hub", "show_progress": "hidden", "api_visibility": "private"}

# Events that may wait for the model or the network, of all people together: at ten seconds each, the last one's answer
# comes after five minutes, and nobody waits longer.
MAX_WAITING = 32
FULL = "It was not started: too many people are waiting. Press it again in a minute."

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

# Ctrl+Enter compares from anywhere in its tab. Gradio gives each radio button a name of its own; with a common one the
# list is one stop of the tab key, and the arrow keys walk it.
HEAD = """<script>
function showChosen() {
  document.querySelector("#picker .selected")?.scrollIntoView({block: "nearest"});
}
function stored(what) {
  try { return localStorage.getItem(`parametric-skills-${what}`) ?? ""; } catch { return ""; }
}
function joinSkills() {
  for (const input of document.querySelectorAll("#picker input")) input.name = "library";
}
document.addEventListener("focusin", (event) => { if (event.target.closest("#picker")) joinSkills(); });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const compare = document.querySelector("#compare");
  if (compare?.offsetParent && !compare.disabled) { event.preventDefault(); compare.click(); }
}, true);
</script>"""

# Once the page stands.
START = """() => {
  joinSkills();
  showChosen();
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
