"""What the handlers of the page share: how quick ones are registered, and the scripts that run in the browser."""

import gradio as gr

PAUSE = 200  # milliseconds without a key after which someone is taken to have paused

# Handlers that only read or show something: never queued behind the model; of calls that come too fast the last counts.
QUICK = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private"}

# Screen readers announce changes only inside an element that stays, so the roles go to the component's own element.
LIVE_REGION = "element.setAttribute('role', 'status'); element.setAttribute('aria-live', 'polite');"

# Ctrl+Enter compares from anywhere. Gradio gives each radio button a name of its own; with a common one the list is one
# stop of the tab key, and the arrow keys walk it.
HEAD = """<script>
function joinSkills() {
  for (const input of document.querySelectorAll("#picker input")) input.name = "library";
}
document.addEventListener("focusin", (event) => { if (event.target.closest("#picker")) joinSkills(); });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const compare = document.querySelector("#compare");
  if (compare && !compare.disabled) { event.preventDefault(); compare.click(); }
}, true);
</script>"""

# Once the page stands.
START = """() => {
  joinSkills();
  document.querySelector("#picker .selected")?.scrollIntoView({block: "nearest"});
}"""


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
