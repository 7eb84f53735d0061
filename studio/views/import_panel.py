"""Where skills come in: files, a folder or an address, and the gate at which a person sees what the scan found.

What asks a question waits in `pending` until it is answered; what is blocked is never kept.
"""

from dataclasses import replace
from typing import Any

import gradio as gr

from skills.scan import MAX_FILES
from studio.intake import Arrival
from studio.sharing import NOTHING, Brought
from studio.views import render
from studio.views.wiring import LIVE_REGION, QUICK

# Fetching may take a minute, and what is unpacked much memory: beside the quick handlers and the model's, and not for
# everybody at once.
FETCH = {"concurrency_limit": 3, "concurrency_id": "fetch", "show_progress": "hidden", "api_visibility": "private"}
UPLOAD = FETCH | {"concurrency_id": "upload"}
_FETCHING = """() => [
  '<p class="line" data-state="busy">Fetching and scanning</p>',
  {interactive: false, __type__: "update"},
]"""

_HINT = """<p class="hint">A SKILL.md, a .skill or .zip, several files of one skill, a folder, or an address: https (a
text, a zip, a repository) or user/name on the Hugging Face Hub. It is scanned before anything is made of it. For a
private repository of yours type a token under Share: it goes to the Hub alone, and is kept nowhere.</p>"""

DONT_OPEN = "Don't open"
MAX_FOLDER = 15_000_000  # bytes; more than an upload may have with the zip around it
_FOLDER = """<label class="pick" tabindex="0">Choose a folder
<input type="file" tabindex="-1" webkitdirectory multiple></label>
<span class="said" role="status"></span>"""

# An upload keeps no folders, so the browser packs one into a zip, without compression, and hands it to the button
# for files. The layout of the entries is that of the ZIP format's specification.
_PACK = """
const input = element.querySelector("input"), said = element.querySelector(".said");
const table = new Uint32Array(256).map((_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});
const crc = (bytes) => {
  let value = 0xffffffff;
  for (const byte of bytes) value = table[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
};
const record = (...fields) => {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true); else view.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(view.buffer);
};
async function pack(files) {
  const parts = [], list = [];
  let offset = 0;
  for (const file of files) {
    const data = new Uint8Array(await file.arrayBuffer());
    const name = new TextEncoder().encode(file.webkitRelativePath || file.name);
    const common = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 33], [4, crc(data)], [4, data.length], [4, data.length],
      [2, name.length], [2, 0]];
    parts.push(record([4, 0x04034b50], ...common), name, data);
    list.push(record([4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), name);
    offset += 30 + name.length + data.length;
  }
  const size = list.reduce((sum, each) => sum + each.length, 0);
  const count = files.length;
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]);
  return new Blob([...parts, ...list, end]);
}
input.addEventListener("change", async () => {
  const files = [...input.files].filter((file) => !/(^|\\/)(\\.git|node_modules|__pycache__)\\//.test(
    file.webkitRelativePath));
  const size = files.reduce((sum, file) => sum + file.size, 0);
  input.value = "";
  said.textContent = "";
  if (!files.length) return;
  if (size > MAX_FOLDER || files.length > MAX_FILES) {
    const has = `${files.length.toLocaleString("en")} files and ${(size / 1e6).toFixed(1)} MB`;
    const most = `${MAX_FILES.toLocaleString("en")} files and ${MAX_FOLDER / 1e6} MB`;
    said.textContent =
      `The folder has ${has}; at most ${most} can be read. Choose the skill's own folder, or import a zip.`;
    return;
  }
  const name = (files[0].webkitRelativePath.split("/")[0] || "folder") + ".zip";
  const held = new DataTransfer();
  held.items.add(new File([await pack(files)], name));
  const target = document.querySelector("#upload input[type=file], input[data-testid='Choose files-upload-button']");
  target.files = held.files;
  target.dispatchEvent(new Event("change", {bubbles: true}));
});
element.querySelector("label").addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); input.click(); }
});""".replace("MAX_FOLDER", str(MAX_FOLDER)).replace("MAX_FILES", f"({MAX_FILES})")


class ImportPanel:
    """The components of importing; what opening a skill does to the rest of the page is wired by the page."""

    def __init__(self, button: gr.Button) -> None:
        """`button` shows and hides the panel."""
        self.pending = gr.State(None)  # the Arrival that a person was asked about, its files on the session's desk
        self.brought = gr.State(NOTHING)  # these
        with gr.Column(visible=False, elem_id="import") as self.panel:
            gr.HTML(_HINT)
            with gr.Row(elem_classes="tight buttons"):
                self.files = gr.UploadButton(
                    "Choose files", file_count="multiple", size="sm", min_width=100, elem_id="upload"
                )
                gr.HTML(_FOLDER, js_on_load=_PACK, elem_id="folder")
            with gr.Row(elem_classes="tight buttons", elem_id="from"):
                self.address = gr.Textbox(
                    label="Address", placeholder="https://… or user/name", max_lines=1, min_width=140, elem_id="address"
                )
                self.fetch = gr.Button("Fetch", size="sm", min_width=60, elem_id="fetch")
        with gr.Column(elem_id="gate"):
            self.said = gr.HTML("", elem_id="came", js_on_load=LIVE_REGION)
            with gr.Row(visible=False, elem_classes="tight buttons", elem_id="answer") as self.question:
                self.anyway = gr.Button("Open anyway", size="sm", min_width=120, variant="stop", elem_id="anyway")
                self.leave = gr.Button(DONT_OPEN, size="sm", min_width=80, elem_id="leave")
        self.is_open = gr.State(False)
        self.shown = [self.pending, self.brought, self.said, self.question, self.anyway, self.leave]
        self.panels = [self.is_open, self.panel]
        for begin in (self.fetch.click, self.address.submit):
            begin(None, outputs=[self.said, self.fetch], js=_FETCHING, api_visibility="private")
        button.click(self._toggle, self.is_open, self.panels, **QUICK)
        self.leave.click(self.calm, outputs=self.shown, **QUICK)

    @staticmethod
    def _toggle(is_open: bool) -> tuple[bool, gr.Column]:
        return not is_open, gr.Column(visible=not is_open)

    @staticmethod
    def calm() -> list[Any]:
        """Values for `shown`: nothing waits."""
        return [None, NOTHING, "", gr.Row(visible=False), gr.Button(), gr.Button()]

    def ask(self, arrival: Arrival, brought: Brought = NOTHING) -> dict:
        """What the gate shows of a skill that is not opened yet, or not at all."""
        may = arrival.gravest == "ask"
        buttons = [gr.Row(visible=True), gr.Button(visible=may), gr.Button(DONT_OPEN if may else "Close")]
        waits = (replace(arrival, files={}), brought) if may else (None, NOTHING)
        return self._values(*waits, render.asked(arrival), *buttons)

    def let_in(self, arrival: Arrival, brought: Brought) -> dict:
        """What the gate shows of a skill that is opened at once."""
        still = [gr.Row(visible=False), gr.Button(), gr.Button()]
        return self._values(replace(arrival, files={}), brought, render.activity("Opening it", "busy"), *still)

    def refuse(self, message: str) -> dict:
        """What the gate shows where nothing came in."""
        return self._values(None, NOTHING, render.notice(message), gr.Row(visible=False), gr.Button(), gr.Button())

    def opened(self, arrival: Arrival) -> dict:
        """What the gate shows of a skill that is in the editor now; the panel has done its work."""
        said = [render.opened(arrival), gr.Row(visible=False), gr.Button(), gr.Button()]
        return self._values(None, NOTHING, *said) | {self.is_open: False, self.panel: gr.Column(visible=False)}

    def _values(self, *values: Any) -> dict:
        return dict(zip(self.shown, values, strict=True))
