"""One skill's adapter: its LoRA and where it came from; out to PEFT's files and back in."""

import io
import json
import time
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError
from safetensors.torch import load, save

from hypernet.base import Base
from hypernet.files import write_atomically
from hypernet.hypernetwork import Hypernetwork
from hypernet.lora import LoraWeights, calibrated, decoder_layers, stack_skills
from skills.skill import text_sha256

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
PROVENANCE_FILE, CARD_FILE = "provenance.json", "README.md"
GGUF_FILE = "adapter.gguf"  # the same adapter for llama.cpp
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # that `--max-lora-rank` takes
VERSION = "0.1.0"  # of this code, as in pyproject.toml: a Space runs it without installing it


class AdapterError(ValueError):
    """An adapter that can't be read or does not belong to this base; the message says why."""


@dataclass(frozen=True)
class Provenance:
    """Where an adapter came from: enough to make it again and compare."""

    skill_name: str
    skill_sha256: str  # of the text as it was read
    skill_tokens: int
    base_name: str
    base_fingerprint: str
    hypernetwork_fingerprint: str
    seconds: float  # that generating took
    base_revision: str = ""  # commit of the base's repository on the Hub, where it came from there
    alpha: float = 1.0  # the strength that is recommended: what the hypernetwork meant
    seed: int = 0  # of what is drawn at random: generating draws nothing, answers of an evaluation are greedy
    version: str = VERSION  # of the code that made it
    refined_on: int = 0  # examples that it was trained on after it was generated; 0: it is as generated
    stack: list = field(default_factory=list)  # of several skills at once: name, text's SHA-256 and share of each

    @property
    def is_base_on_hub(self) -> bool:
        """Whether the base's name is one of the Hub, and no folder's."""
        try:
            validate_repo_id(self.base_name)
        except HFValidationError:
            return False
        return "/" in self.base_name or bool(self.base_revision)


@dataclass(frozen=True)
class Adapter:
    """The LoRA of one skill; the factors have shape [1, layers, rank, dim]."""

    weights: LoraWeights
    layers_path: str  # where the decoder layers stand in the base, such as model.layers
    provenance: Provenance

    def files(self) -> dict[str, bytes]:
        """PEFT's two files, a card and the provenance, by name."""
        rank, targets = self.weights.rank, _targets(self.weights)
        ranks = {targets[module]: a.shape[2] for module, (a, _) in self.weights.modules.items()}
        others = {target: r for target, r in ranks.items() if r != rank}
        config = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.provenance.base_name,
            "revision": self.provenance.base_revision or None,
            "r": rank,
            "lora_alpha": rank,  # so that PEFT's scaling is 1, which is what the hypernetwork meant
            "rank_pattern": others,
            "alpha_pattern": others,
            "lora_dropout": 0.0,
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
            "target_modules": list(ranks),
            "layers_to_transform": list(self.weights.layers),
            "layers_pattern": self.layers_path.rsplit(".", 1)[-1],
        }
        tensors = {}
        for module, (a, b) in self.weights.modules.items():
            for position, layer in enumerate(self.weights.layers):
                key = f"base_model.model.{self.layers_path}.{layer}.{module}"
                tensors[f"{key}.lora_A.weight"] = a[0, position].cpu().contiguous()  # [rank, d_in]
                tensors[f"{key}.lora_B.weight"] = b[0, position].T.cpu().contiguous()  # [d_out, rank]
        return {
            CONFIG_FILE: (json.dumps(config, indent=2) + "\n").encode(),
            WEIGHTS_FILE: save(tensors, metadata={"format": "pt"}),
            PROVENANCE_FILE: (json.dumps(asdict(self.provenance), indent=2) + "\n").encode(),
            CARD_FILE: self.card().encode(),
        }

    def save(self, folder: Path, gguf: bytes | None = None) -> None:
        """Write the adapter's files into a folder, each whole or not at all; an adapter that is there is replaced.

        `gguf` is the same adapter for llama.cpp; without it that of another adapter goes.
        Raises AdapterError as `check_target` does, and OSError.
        """
        check_target(folder)
        (folder / GGUF_FILE).unlink(missing_ok=True)
        for name, content in (self.files() | ({GGUF_FILE: gguf} if gguf else {})).items():
            write_atomically(folder / name, lambda path, content=content: path.write_bytes(content))

    def to_zip(self, target: Path) -> None:
        """Write the adapter's files as one zip. Raises OSError."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.files().items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        write_atomically(target, lambda path: path.write_bytes(buffer.getvalue()))

    @classmethod
    def load(cls, folder: Path, base: Base) -> "Adapter":
        """Read an adapter that `save` wrote.

        Raises AdapterError for missing or damaged files and for an adapter made for another base.
        """
        try:
            provenance = Provenance(**json.loads((folder / PROVENANCE_FILE).read_text()))
            if provenance.base_fingerprint != base.fingerprint and not base.is_copy_of(provenance.base_name):
                raise AdapterError(
                    f"{folder} was made for {provenance.base_name} ({provenance.base_fingerprint[:12]}); the base "
                    f"here is {base.name} ({base.fingerprint[:12]}). Load that base, or generate the adapter again."
                )
            path = layers_path(base)
            weights = read_weights((folder / CONFIG_FILE).read_bytes(), (folder / WEIGHTS_FILE).read_bytes(), path)
        except (OSError, LookupError, TypeError, RuntimeError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise AdapterError(f"{folder} holds no whole adapter ({error}). Generate or download it again.") from error
        except SafetensorError as error:
            raise AdapterError(f"{folder / WEIGHTS_FILE} is damaged. Generate or download it again.") from error
        return cls(weights.to(base.device), path, provenance)

    def card(self) -> str:
        """The model card, with a snippet that loads the adapter."""
        p = self.provenance
        base = f"base_model: {p.base_name}\nbase_model_relation: adapter\n" if p.is_base_on_hub else ""
        came = ""
        if p.skill_sha256:
            came = (
                f"| hypernetwork fingerprint | `{p.hypernetwork_fingerprint}` |\n"
                f"| skill text SHA-256 | `{p.skill_sha256}` |\n| skill text tokens | {p.skill_tokens} |\n"
            )
        return (
            f"---\nlibrary_name: peft\n{base}"
            "pipeline_tag: text-generation\ntags: [lora, skill, parametric-skills]\n---\n\n"
            f"# {p.skill_name}\n\n{self._what()}\n\n"
            f"| | |\n|---|---|\n| base | {p.base_name} |\n| base fingerprint | `{p.base_fingerprint}` |\n"
            f"{came}| rank | {self.weights.rank} |\n\n"
            f"```python\n{peft_snippet(p.base_name, '.', p.base_revision, not p.skill_sha256)}\n```\n\n"
            "It was made for the base's NF4 values; over unquantised weights some answers turn out otherwise.\n"
        )

    def _what(self) -> str:
        """What the adapter does, and how it came."""
        p = self.provenance
        if not p.skill_sha256:
            return (
                "A LoRA adapter under which the base follows the skill that stands in its prompt. It was trained by\n"
                "gradient, as the rival that adapters made from a skill's text are measured against."
            )
        if p.stack:
            names = ", ".join(f"`{part['skill_name']}`" for part in p.stack)
            return (
                f"Several skills as one LoRA adapter: {names}. The base acts by them without their texts in its\n"
                "prompt. A hypernetwork made an adapter from each text in one forward pass; this is their sum."
            )
        what = (
            f"The skill `{p.skill_name}` as a LoRA adapter: the base follows the skill without\n"
            "the skill in its prompt. A hypernetwork made it from the skill's text in one forward pass."
        )
        if p.refined_on:
            return f"{what[:-1]};\nthen it was trained on {p.refined_on} examples of the skill in use."
        return what


def check_target(folder: Path) -> None:
    """Raise AdapterError where an adapter can't be written into a folder: it holds something else, or can't be read."""
    try:
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:
        raise AdapterError(f"{folder} can't be read: {error.strerror or error}. Choose another folder.") from error
    others = there - {CONFIG_FILE, WEIGHTS_FILE, PROVENANCE_FILE, CARD_FILE, GGUF_FILE}
    if others or (CARD_FILE in there and PROVENANCE_FILE not in there):
        raise AdapterError(f"{folder} holds something else than an adapter. Choose another folder, or empty it.")


def make_adapter(
    hypernetwork: Hypernetwork, base: Base, skill_text: str, name: str, fingerprint: str | None = None
) -> Adapter:
    """Generate the adapter of a skill's text.

    `fingerprint` is the hypernetwork's, where the caller keeps it: finding it means hashing all the weights.
    Raises SkillTextError (empty, too long) and HypernetworkError (another base).
    """
    started = time.perf_counter()
    weights = hypernetwork.generate(base, [skill_text])
    seconds = time.perf_counter() - started
    provenance = Provenance(
        skill_name=name,
        skill_sha256=text_sha256(skill_text),
        skill_tokens=base.count_tokens(skill_text),
        base_name=base.name,
        base_revision=base_revision(base),
        base_fingerprint=base.fingerprint,
        hypernetwork_fingerprint=fingerprint or hypernetwork.fingerprint,
        seconds=round(seconds, 3),
    )
    return Adapter(weights, layers_path(base), provenance)


def stack_adapters(
    hypernetwork: Hypernetwork, base: Base, adapters: Sequence[Adapter], shares: Sequence[float], text: str
) -> Adapter:
    """Several skills' adapters as one: the own parts calibrated by their shares, the shared part once.

    `text` is what stands in a prompt for all of them: the provenance of the stack has its SHA-256.
    Raises AdapterError unless there are several, all as this hypernetwork made them, with shares that are a mixture.
    """
    if len(adapters) < 2 or len(adapters) != len(shares) or min(shares) < 0 or not sum(shares):
        raise AdapterError("A stack needs two adapters or more and a share for each: none below 0, at least one above.")
    fingerprint = hypernetwork.fingerprint
    for adapter in adapters:
        came = adapter.provenance
        if came.refined_on:
            raise AdapterError(
                f"{came.skill_name} was trained on examples after it was made: its shared part is no longer that of "
                "the others. Stack adapters as they were generated."
            )
        if came.hypernetwork_fingerprint != fingerprint:
            raise AdapterError(
                f"{came.skill_name} was made by another hypernetwork ({came.hypernetwork_fingerprint[:12]}), with "
                "another shared part. Generate all adapters of a stack with the same."
            )
    weights = stack_skills([adapter.weights for adapter in adapters]).to(torch.float32)
    own = calibrated(hypernetwork.own_part(weights), shares)
    with torch.no_grad():
        stacked = own.join(hypernetwork.shared()).to(base.dtype)
    parts = [adapter.provenance for adapter in adapters]
    names = [part.skill_name for part in parts]
    provenance = replace(
        parts[0],
        skill_name=f"{names[0]}-and-{names[1] if len(names) == 2 else f'{len(names) - 1}-more'}",
        skill_sha256=text_sha256(text),
        skill_tokens=base.count_tokens(text),
        seconds=round(sum(part.seconds for part in parts), 3),
        stack=[
            {"skill_name": part.skill_name, "skill_sha256": part.skill_sha256, "share": share}
            for part, share in zip(parts, shares, strict=True)
        ],
    )
    return Adapter(stacked, adapters[0].layers_path, provenance)


def read_weights(config: bytes, tensors: bytes, path: str) -> LoraWeights:
    """The LoRA in PEFT's two files, on the CPU; `path` is where the base has its decoder layers.

    Raises SafetensorError, ValueError, TypeError, LookupError or RuntimeError where the files are damaged.
    """
    layers, found = tuple(json.loads(config)["layers_to_transform"]), load(tensors)
    stems = [f"base_model.model.{path}.{layers[0]}.", ".lora_A.weight"]
    modules = {}
    for module in sorted(k[len(stems[0]) : -len(stems[1])] for k in found if k.startswith(stems[0])):
        if not module or f"{stems[0]}{module}{stems[1]}" not in found:
            continue
        keys = [f"base_model.model.{path}.{layer}.{module}" for layer in layers]
        a = torch.stack([found[f"{key}.lora_A.weight"] for key in keys])[None]
        b = torch.stack([found[f"{key}.lora_B.weight"].T for key in keys])[None]
        modules[module] = (a, b)
    if not modules:
        raise KeyError("no weights for its layers")
    return LoraWeights(layers, modules)


def _targets(weights: LoraWeights) -> dict[str, str]:
    """What PEFT calls each module: its own name, or its path in the layer where several have that name."""
    names = {module: module.rsplit(".", 1)[-1] for module in weights.modules}
    return names if len(set(names.values())) == len(names) else {module: module for module in names}


def peft_snippet(base_name: str, folder: str = "adapter", revision: str = "", reads: bool = False) -> str:
    """Python that loads the adapter with PEFT, the base in NF4, for which it was made, and at a commit where one is
    given; `reads` where the adapter is for any skill, whose text stands in the prompt."""
    at = f', revision="{revision}"' if revision else ""
    skill = '{"role": "system", "content": "the text of the SKILL.md"}, ' if reads else ""
    prompt = "your prompt" if reads else "your prompt, without the skill"
    return (
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig\n\n"
        f'name = "{base_name}"\n'
        f"tokenizer = AutoTokenizer.from_pretrained(name{at})\n"
        'nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype="bfloat16")\n'
        f'base = AutoModelForCausalLM.from_pretrained(name{at}, quantization_config=nf4, dtype="bfloat16")\n'
        f'model = PeftModel.from_pretrained(base, "{folder}")\n'
        f'messages = [{skill}{{"role": "user", "content": "{prompt}"}}]\n'
        'options = {"add_generation_prompt": True, "return_dict": True, "return_tensors": "pt"}\n'
        "ids = tokenizer.apply_chat_template(messages, **options).to(base.device)\n"
        "answer = model.generate(**ids, max_new_tokens=64, do_sample=False)\n"
        'print(tokenizer.decode(answer[0, ids["input_ids"].shape[1] :], skip_special_tokens=True))'
    )


def vllm_snippet(base_name: str, rank: int, folder: str = "adapter", revision: str = "") -> str:
    """A shell command that serves the adapter with vLLM, the base at a commit where one is given."""
    at = f" --revision {revision}" if revision else ""
    room = next((most for most in VLLM_RANKS if most >= rank), None)
    if room is None:
        return f"# vLLM takes adapters of at most rank {VLLM_RANKS[-1]}; this one has {rank}."
    return f"vllm serve {base_name}{at} --enable-lora --max-lora-rank {room} --lora-modules skill=./{folder}"


def llama_cpp_snippet(base_name: str, file: str = "adapter.gguf") -> str:
    """Python that runs the adapter in llama.cpp, over the base in GGUF as base.gguf."""
    return (
        "import xllamacpp as llama  # llama.cpp as a wheel: pip install xllamacpp\n\n"
        "params = llama.CommonParams()\n"
        f'params.model.path = "base.gguf"  # {base_name} in GGUF\n'
        "params.n_ctx = 4096\n"
        f'params.lora_adapters = [llama.CommonAdapterLoraInfo("{file}", 1.0)]\n'
        "server = llama.Server(params)\n"
        'messages = [{"role": "user", "content": "your prompt, without the skill"}]\n'
        'answer = server.handle_chat_completions({"messages": messages, "max_tokens": 64, "temperature": 0})\n'
        'print(answer["choices"][0]["message"]["content"])'
    )


def layers_path(base: Base) -> str:
    """Where the decoder layers stand in the base, such as model.layers."""
    layers = decoder_layers(base.model)
    return next(name for name, module in base.model.named_modules() if module is layers)


def base_revision(base: Base) -> str:
    """The commit of the base's repository, where it lies in the Hub's cache; '' elsewhere."""
    folder = Path(base.model.name_or_path)
    return folder.name if folder.parent.name == "snapshots" else ""
