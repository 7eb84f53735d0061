"""The shape of a hypernetwork and the base it belongs to; saved as config.json beside its weights."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class HypernetworkConfig:
    """Everything needed to build a hypernetwork again."""

    base_name: str  # what the base is called, for people
    base_fingerprint: str  # SHA-256 over its config and weights
    base_architecture: str  # SHA-256 over its config alone
    hidden_size: int  # width of the base's residual stream
    layers: tuple[int, ...]  # decoder layers that get LoRA
    module_dims: dict[str, tuple[int, int]]  # path inside a layer -> (d_in, d_out): modules with a part from the skill
    shared_dims: dict[str, tuple[int, int]]  # modules that have the shared part alone
    encoder_layers: tuple[int, ...]  # hidden states that are read; 0 is the token embedding
    rank: int = 8  # rank of the part made from the skill
    shared_rank: int = 8  # rank of the shared part beside an own one; without one it has both ranks, so all are equal
    slots: int = 0  # tokens of the text that get a rank each, in every layer of the last of module_dims
    width: int = 256  # of the latents
    blocks: int = 3  # Perceiver blocks
    heads: int = 4  # attention heads of a block
    window: int = 1024  # tokens of skill text that the base reads at once
    max_tokens: int = 8192  # longest skill text
    trained: dict[str, str | int | float] = field(default_factory=dict)  # steps, prompts, hours, for the model card

    def __post_init__(self) -> None:
        # JSON gives lists back where tuples went in
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "encoder_layers", tuple(self.encoder_layers))
        for name in ("module_dims", "shared_dims"):
            object.__setattr__(self, name, {m: tuple(d) for m, d in getattr(self, name).items()})
