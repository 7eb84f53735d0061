"""Which skills are near one another, from the cosines of their adapters, and where they stand on a map.

The map is classical scaling: the two directions in which the adapters differ most. What is near there is mostly alike;
the cosines say how much.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

APART = 0.045  # least distance of two points on a map whose sides are 1: nearer ones could not be told apart
STEPS = 60  # that move points apart


@dataclass(frozen=True)
class Neighbours:
    """Skills by key, and the cosine of every two."""

    keys: tuple[str, ...]
    cosines: tuple[tuple[float, ...], ...]  # [skills][skills]

    def nearest(self, key: str, count: int) -> list[tuple[str, float]]:
        """(key, cosine) of the skills that are most like one, the nearest first; none where it is not among them."""
        if key not in self.keys:
            return []
        row = self.cosines[self.keys.index(key)]
        others = [(other, cosine) for other, cosine in zip(self.keys, row, strict=True) if other != key]
        return sorted(others, key=lambda pair: -pair[1])[:count]

    def places(self, frame: Collection[str] = ()) -> dict[str, tuple[float, float]]:
        """Where each skill stands on a map whose sides run from 0 to 1.

        The skills of the `frame` span it, all where that names fewer than three; the others are placed between them, so
        that a map does not turn when one is added.
        """
        inside = [number for number, key in enumerate(self.keys) if key in frame]
        if len(inside) < 3:
            inside = [*range(len(self.keys))]
        return dict(zip(self.keys, map(tuple, _places(self.cosines, inside).tolist()), strict=True))


def _places(cosines: Sequence[Sequence[float]], inside: list[int]) -> np.ndarray:
    """[skills, 2], each from 0 to 1."""
    count = len(cosines)
    if count < 2:
        return np.full((count, 2), 0.5)
    # Distances of unit vectors: d^2 = 2 - 2 cos, and -1/2 of the doubly centred d^2 is the doubly centred cosine.
    to_frame = np.asarray(cosines, float)[:, inside]  # [skills, frame]
    among = to_frame[inside]
    centred = to_frame - to_frame.mean(1, keepdims=True) - among.mean(0) + among.mean()
    values, vectors = np.linalg.eigh(centred[inside])
    values, vectors = values[:-3:-1], vectors[:, :-3:-1]
    points = centred @ vectors / np.sqrt(values.clip(1e-12))
    points *= np.where(points[np.abs(points).argmax(0), [0, 1]] < 0, -1, 1)  # else the sign is up to the machine
    low, size = points.min(0), np.ptp(points, axis=0)
    points = np.where((values > 1e-9) & (size > 1e-9), (points - low) / size.clip(1e-9), 0.5)
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        apart = points[:, None] - points[None]  # [skills, skills, 2]
        far = np.linalg.norm(apart, axis=2)
        close = (far < APART) & ~np.eye(count, dtype=bool)
        if not close.any():
            break
        apart = np.where((far < 1e-9)[..., None], rng.normal(0, 1e-3, apart.shape), apart)
        far = np.linalg.norm(apart, axis=2)
        push = np.where(close, (APART - far) / np.maximum(far, 1e-9), 0)[..., None] * apart
        points = (points + 0.5 * push.sum(1)).clip(0, 1)
    return points
