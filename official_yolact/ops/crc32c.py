"""The checksum of TFRecords, CRC-32C, without TensorFlow, whose import costs more than many conversions.

A checksum is linear over bits: lanes of equal length are computed side by side and then joined in pairs.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_LEVELS = 26
_LANE_LEVEL = 7
_LANE_BYTES = 1 << _LANE_LEVEL
_INITIAL = 0xFFFFFFFF
_SHORT_BYTES = 64
_MASK_DELTA = 0xA282EAD8

_Words = NDArray[np.uint32]


def masked_crc32c(data: bytes) -> int:
    """Give the masked CRC-32C that TFRecord files store.

    Args:
      data: less than 8 GB.

    Returns:
      The checksum, rotated and offset as the format has it.

    Source: https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format details".
    """
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Give the CRC-32C (Castagnoli) of less than 8 GB."""
    return _loop(data) if len(data) <= _SHORT_BYTES else _compute_lanes(data)


def _loop(data: bytes) -> int:
    """Take byte after byte: of few, such as the length of a record, that is faster."""
    table, crc = _byte_list(), _INITIAL
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ _INITIAL


def _compute_lanes(data: bytes) -> int:
    lanes = -(-len(data) // _LANE_BYTES)
    padding = lanes * _LANE_BYTES - len(data)
    block = np.zeros(lanes * _LANE_BYTES, np.uint8)
    block[padding:] = np.frombuffer(data, np.uint8)
    # Zeros in front change nothing while the state is zero; the initial state is put into the data.
    block[padding : padding + 4] ^= 0xFF
    pairs = block.view("<u2").reshape(lanes, _LANE_BYTES // 2).T.astype(np.uint32, order="C")
    table = _pair_table()
    state = np.zeros(lanes, np.uint32)
    for column in pairs:
        state = table[(state & 0xFFFF) ^ column] ^ (state >> 16)
    return int(_join(state)) ^ _INITIAL


def _join(state: _Words) -> np.uint32:
    level = _LANE_LEVEL
    while state.size > 1:
        if state.size % 2:
            state = np.concatenate([np.zeros(1, np.uint32), state])
        state = _apply(_shift_tables()[level], state[0::2]) ^ state[1::2]
        level += 1
    last: np.uint32 = state[0]
    return last


def _apply(tables: _Words, words: _Words) -> _Words:
    result = np.zeros_like(words)
    for byte in range(4):
        result ^= tables[byte][(words >> (8 * byte)) & 0xFF]
    return result


@functools.cache
def _byte_table() -> _Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


@functools.cache
def _byte_list() -> list[int]:
    listed: list[int] = _byte_table().tolist()
    return listed


@functools.cache
def _pair_table() -> _Words:
    state = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(2):
        state = _byte_table()[state & 0xFF] ^ (state >> 8)
    return state


@functools.cache
def _shift_tables() -> _Words:
    """Tables [level, byte, value]: what 2 ** level zero bytes make of a state."""
    tables = np.zeros((_LEVELS, 4, 256), np.uint32)
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    columns = _byte_table()[bits & 0xFF] ^ (bits >> 8)
    values = np.arange(256)
    for level in range(_LEVELS):
        for bit in range(32):
            tables[level, bit // 8] ^= np.where((values >> (bit % 8)) & 1, columns[bit], 0).astype(np.uint32)
        columns = _apply(tables[level], columns)
    return tables
