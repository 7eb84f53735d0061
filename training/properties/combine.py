"""Ways to make one of several skills' own parts that `calibrated` of `hypernet.lora` is measured against."""

from hypernet.lora import LoraWeights


def averaged(own: LoraWeights) -> LoraWeights:
    """The mean of the A and the mean of the B ("linear"): cross terms come in, and the rank stays."""
    modules = {m: (a.mean(0, keepdim=True), b.mean(0, keepdim=True)) for m, (a, b) in own.modules.items()}
    return LoraWeights(own.layers, modules)


def ema(old: LoraWeights, incoming: LoraWeights, beta: float) -> LoraWeights:
    """beta x old + (1 - beta) x incoming, on the deltas, every module at the rank that it has in `incoming`."""
    mixed = old.scaled(beta).join(incoming.scaled(1 - beta))
    modules = {}
    for module, pair in mixed.modules.items():
        rank = incoming.modules[module][0].shape[2]
        modules |= LoraWeights(mixed.layers, {module: pair}).truncated(rank).modules
    return LoraWeights(mixed.layers, modules)


def ema_in_order(own: LoraWeights, beta: float) -> LoraWeights:
    """The skills merged one after another, at the ranks of one."""
    merged = own.rows([0])
    for skill in range(1, own.skills):
        merged = ema(merged, own.rows([skill]), beta)
    return merged
