"""llama.cpp as the tests use it: a base in GGUF, with or without an adapter, through the wheel `xllamacpp`.

`llama-cpp-python` comes as source alone, whose building takes longer than all tests.
"""

from pathlib import Path

import torch
import xllamacpp
from torch import Tensor


class LlamaCpp:
    """A GGUF base in llama.cpp, one thread, greedy; `adapter` is a LoRA file."""

    def __init__(self, base: Path, adapter: Path | None = None, context: int = 1024) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = str(base)
        params.n_ctx, params.n_parallel, params.cpuparams.n_threads, params.warmup = context, 1, 1, False
        if adapter:
            params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
        self.server = xllamacpp.Server(params)

    def answer(self, prompt_ids: list[int], max_new_tokens: int) -> str:
        """The greedy answer to token ids."""
        return self._complete(prompt_ids, max_tokens=max_new_tokens)["text"]

    def log_probabilities(self, prompt_ids: list[int], vocabulary: int) -> Tensor:
        """Of every token as the next one [vocabulary]."""
        # what is told is told before any bias; after a token that is half a character, or the last, nothing would be
        choice = self._complete(prompt_ids, max_tokens=1, logprobs=vocabulary, logit_bias=[["a", 1000.0]])
        found = torch.full((vocabulary,), torch.nan)
        for token in choice["logprobs"]["content"][0]["top_logprobs"]:
            found[token["id"]] = token["logprob"]
        return found

    def _complete(self, prompt_ids: list[int], **options: object) -> dict:
        request = {"prompt": prompt_ids, "temperature": 0.0, "cache_prompt": False, **options}
        return self.server.handle_completions(request)["choices"][0]
