"""Other designs of the mapping, for `python -m training probe --design`; they went once they were measured."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hypernet.base import Base
from hypernet.config import HypernetworkConfig
from hypernet.encoder import SkillStates, tokenize
from hypernet.hypernetwork import SCALE_GAIN, Hypernetwork, ModuleHead
from hypernet.lora import LoraWeights, apply_lora, decoder_layers


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-4)


class Heads(Hypernetwork):
    """Latents with direct heads to A and B, and nothing beside them (Doc-to-LoRA, arXiv 2602.15902)."""

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__(config)
        for head in self.module_heads.values():
            head.forward = self._only_heads(head)

    @staticmethod
    def _only_heads(head: ModuleHead):
        def forward(z: Tensor, *_: Tensor) -> tuple[Tensor, Tensor]:
            return _unit(head.a(z).float()), _unit(head.b(z).float()) * head.scale * SCALE_GAIN

        return forward


class Mixing(Hypernetwork):
    """Coefficients over LoRA bases that all skills share, from the mean of the text's states (Program-as-Weights,
    arXiv 2607.02512)."""

    bases = 64

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__(config)
        layers, width = len(config.layers), config.width
        self.mix = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, layers * len(config.module_dims) * self.bases),
        )
        self.base_a, self.base_b = nn.ParameterDict(), nn.ParameterDict()
        for module, (d_in, d_out) in config.module_dims.items():
            key = module.replace(".", "-")
            self.base_a[key] = nn.Parameter(torch.randn(layers, self.bases, d_in) / d_in**0.5)
            self.base_b[key] = nn.Parameter(torch.zeros(layers, self.bases, d_out))

    def forward(self, read: SkillStates) -> LoraWeights:
        config = self.config
        memory = self.memory_norm(self.memory_in(read.states.to(self.memory_in.weight.dtype)))
        weight = read.mask.to(memory.dtype) / read.mask.sum(1, keepdim=True).to(memory.dtype)
        pooled = self.norm((weight[:, None] @ memory)[:, 0])
        shape = (len(config.layers), len(config.module_dims), self.bases)
        mixed = self.mix(pooled).float().unflatten(-1, shape)
        modules = {}
        for i, module in enumerate(config.module_dims):
            key = module.replace(".", "-")
            a = self.base_a[key].expand(len(mixed), -1, -1, -1)
            modules[module] = (a, self.base_b[key] * mixed[:, :, i, :, None])
        return LoraWeights(config.layers, modules)


@dataclass(frozen=True)
class _Texts:
    """Texts that are yet to be read, since reading is trained here."""

    base: Base
    ids: list[list[int]]


class Shine(Hypernetwork):
    """The base itself reads, with a LoRA of its own and memory tokens behind the text; a small transformer over layers
    and tokens; its output reshaped into A and B without heads (SHINE, arXiv 2602.06358)."""

    rank_of_reading = 8
    reading = ("self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.down_proj")

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__(config)
        hidden, layers = config.hidden_size, len(config.layers)
        floats = sum(config.rank * (d_in + d_out) for d_in, d_out in config.module_dims.values())
        self.tokens = -(-floats // hidden)
        self.memory_tokens = nn.Parameter(torch.randn(self.tokens, hidden) * 0.05)
        self.place = nn.Parameter(torch.randn(layers, self.tokens, config.width) * 0.02)
        self.into, self.out = nn.Linear(hidden, config.width), nn.Linear(config.width, hidden)
        layer = {"d_model": config.width, "nhead": config.heads, "dim_feedforward": 2 * config.width}
        layer |= {"batch_first": True, "norm_first": True, "activation": "gelu", "dropout": 0.0}
        self.along = nn.ModuleList(nn.TransformerEncoderLayer(**layer) for _ in range(4))
        self.scale = nn.Parameter(torch.zeros(len(config.module_dims), layers, config.rank, 1))
        self.meta_a, self.meta_b = nn.ParameterDict(), nn.ParameterDict()

    def _reading_lora(self, base: Base, count: int) -> LoraWeights:
        layers = decoder_layers(base.model)
        modules = {}
        for module in self.reading:
            key, linear = module.replace(".", "-"), layers[0].get_submodule(module)
            if key not in self.meta_a:
                shape = (len(layers), self.rank_of_reading)
                self.meta_a[key] = nn.Parameter(torch.randn(*shape, linear.in_features) / linear.in_features**0.5)
                self.meta_b[key] = nn.Parameter(torch.zeros(*shape, linear.out_features))
            modules[module] = (self.meta_a[key].expand(count, -1, -1, -1), self.meta_b[key].expand(count, -1, -1, -1))
        return LoraWeights(tuple(range(len(layers))), modules).to(base.dtype)

    def read(self, base: Base, texts: list[str]) -> _Texts:
        self._reading_lora(base, 1)
        return _Texts(base, tokenize(base, texts, self.config))

    def calibrate(self, read: _Texts) -> None:
        """Nothing to learn beforehand."""

    def forward(self, read: _Texts) -> LoraWeights:
        base, config, count = read.base, self.config, len(read.ids)
        longest = max(map(len, read.ids))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in read.ids], device=base.device)
        real = torch.tensor(
            [[0] * (longest - len(r)) + [1] * (len(r) + self.tokens) for r in read.ids], device=base.device
        )
        embedded = base.model.get_input_embeddings()(ids)
        memory = self.memory_tokens.to(base.dtype).expand(count, -1, -1)
        kept: list[Tensor] = []
        layers = decoder_layers(base.model)
        handles = [
            layers[layer].register_forward_hook(
                lambda _m, _a, out: kept.append(out if isinstance(out, Tensor) else out[0])
            )
            for layer in config.layers
        ]
        try:
            with apply_lora(base.model, self._reading_lora(base, count)):
                base.model.base_model(
                    inputs_embeds=torch.cat([embedded, memory], dim=1),
                    attention_mask=real,
                    position_ids=(real.cumsum(1) - 1).clamp_min(0),
                    use_cache=False,
                )
        finally:
            for handle in handles:
                handle.remove()
        states = torch.stack([x[:, -self.tokens :] for x in kept], dim=1)  # [skills, layers, tokens, hidden]
        x = self.into(F.rms_norm(states.float(), (config.hidden_size,)).to(self.into.weight.dtype)) + self.place
        for i, block in enumerate(self.along):  # over the tokens of a layer and over the layers of a token in turn
            x = x if i % 2 == 0 else x.transpose(1, 2)
            x = block(x.flatten(0, 1)).unflatten(0, x.shape[:2])
            x = x if i % 2 == 0 else x.transpose(1, 2)
        flat = self.out(x).float().flatten(2)  # [skills, layers, tokens * hidden]
        modules, start = {}, 0
        for i, (module, (d_in, d_out)) in enumerate(config.module_dims.items()):
            part = flat[..., start : start + config.rank * (d_in + d_out)]
            start += config.rank * (d_in + d_out)
            a, b = part.split([config.rank * d_in, config.rank * d_out], dim=-1)
            a, b = (_unit(y.unflatten(-1, (config.rank, -1))) for y in (a, b))
            modules[module] = (a, b * self.scale[i] * SCALE_GAIN)
        return LoraWeights(config.layers, modules)


DESIGNS = {"slots": Hypernetwork, "heads": Heads, "mixing": Mixing, "shine": Shine}
