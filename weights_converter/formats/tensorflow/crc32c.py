"""CRC-32C, which TensorFlow keeps of everything, by NumPy on many stretches at once.

A checksum is linear over GF(2): the bytes are cut into equal stretches, all of them go through the
same steps side by side, and their remainders are joined by moving each past the ones behind it.
https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # bit-reversed
_WORD = 4  # bytes that go through in one step
_MOST_LANES = 4096
_STEPS_WORTH_A_LANE = 16
_STEPS_AT_ONCE = 64  # that are copied together, so that each line of the cache is fetched once
_MASK_DELTA = 0xA282EAD8

Words = NDArray[np.uint32]


def masked_crc32c(raw: NDArray[np.uint8]) -> int:
    """The checksum as it stands in a file; TensorFlow turns it so that it may be summed again."""
    crc = crc32c(raw)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def crc32c(raw: NDArray[np.uint8]) -> int:
    """The checksum of a flat array of bytes."""
    ones = np.array([0xFFFFFFFF], np.uint32)
    return int(_applied(_mover(raw.size), ones)[0] ^ _remainder(raw)) ^ 0xFFFFFFFF


def _remainder(raw: NDArray[np.uint8]) -> np.uint32:
    """What is left of the bytes alone, without the ones that a checksum starts and ends with."""
    lanes = 1
    while lanes < _MOST_LANES and raw.size >= lanes * 2 * _WORD * _STEPS_WORTH_A_LANE:
        lanes *= 2
    steps = -(-raw.size // (lanes * _WORD))
    padding = lanes * steps * _WORD - raw.size  # zeros in front leave no remainder
    padded = np.concatenate([np.zeros(padding, np.uint8), raw]) if padding else raw
    states = _stepped(np.ascontiguousarray(padded).view("<u4").reshape(lanes, steps))
    mover = _mover(steps * _WORD)
    while states.size > 1:
        states = _applied(mover, states[0::2]) ^ states[1::2]
        mover = _applied(mover, mover)
    return np.uint32(states[0])


def _stepped(words: Words) -> Words:
    """The remainder of each row."""
    low, high = _tables()
    states: Words = np.zeros(len(words), np.uint32)
    for begin in range(0, words.shape[1], _STEPS_AT_ONCE):
        for column in np.ascontiguousarray(words[:, begin : begin + _STEPS_AT_ONCE].T):
            states = states ^ column
            states = low[states & 0xFFFF] ^ high[states >> 16]
    return states


@cache
def _tables() -> tuple[Words, Words]:
    """What the lower and the upper half of a state become after the four bytes of a word."""
    values = np.arange(1 << 16, dtype=np.uint32)
    mover = _mover(_WORD)
    return _applied(mover[:16], values), _applied(mover[16:], values)


def _mover(count: int) -> Words:
    """The matrix, by its columns, that takes a state past `count` bytes of zeros."""
    result = np.uint32(1) << np.arange(32, dtype=np.uint32)
    power = 0
    while count >> power:
        if count >> power & 1:
            result = _applied(_power(power), result)
        power += 1
    return result


@cache
def _power(power: int) -> Words:
    """The matrix for 2 ** power bytes."""
    if power:
        half = _power(power - 1)
        return _applied(half, half)
    states = [1 << bit for bit in range(32)]
    for _ in range(8):
        states = [state >> 1 ^ (_POLYNOMIAL if state & 1 else 0) for state in states]
    return np.array(states, np.uint32)


def _applied(columns: Words, states: Words) -> Words:
    """The matrix times each state."""
    bits = states[:, np.newaxis] >> np.arange(len(columns), dtype=np.uint32) & np.uint32(1)
    result: Words = np.bitwise_xor.reduce(bits * columns, axis=1)
    return result
