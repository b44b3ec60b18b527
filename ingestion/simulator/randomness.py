"""Random numbers that are the same on every machine.

Only PCG64's raw 64-bit words are used, because numpy promises that stream across versions and platforms, which it
does not for the distributions of `Generator`; and only + - × ÷ and integers are applied to them, because `exp` and
`sin` differ in the last bit between processors.
"""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]

_UNIT_53 = 2.0**-53
_UNIT_16 = 2.0**-16
# Standard deviation of a sum of four uniform draws, 1/sqrt(3), spelt out: one constant, one rounding.
_FOUR_UNIFORM_DEVIATIONS = 1.7320508075688772


def stream(*seeds: int) -> np.random.PCG64:
    """Return the bit stream that belongs to these non-negative integers and to nothing else."""
    return np.random.PCG64(np.random.SeedSequence(seeds))


def words(bits: np.random.PCG64, *shape: int) -> Words:
    """Draw raw 64-bit words in the given shape."""
    return bits.random_raw(int(np.prod(shape))).reshape(shape)


def unit(raw: Words) -> Floats:
    """Uniform in [0, 1) from whole words."""
    return (raw >> np.uint64(11)).astype(np.float64) * _UNIT_53


def field(raw: Words, offset: int, width: int) -> NDArray[np.int64]:
    """Integers in [0, 2**width) from the bits of each word that start at `offset`."""
    return ((raw >> np.uint64(offset)) & np.uint64((1 << width) - 1)).astype(np.int64)


def bell(raw: Words) -> Floats:
    """Mean 0, standard deviation 1, never beyond ±3.47: the sum of four uniform fields of 16 bits."""
    total = field(raw, 0, 16) + field(raw, 16, 16) + field(raw, 32, 16) + field(raw, 48, 16)
    return (total.astype(np.float64) * _UNIT_16 - 2.0) * _FOUR_UNIFORM_DEVIATIONS
