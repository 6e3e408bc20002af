"""Brush masks as Label Studio packs them, written independently of the reader."""

import numpy as np


def pack(mask, sizes=(3, 4, 8, 16), generator=None):
    """Encode a mask [H, W] as the RGBA picture of a brush: its layout written as text of 0 and 1.

    Args:
      mask: alpha where it is not 0.
      sizes: bits of the four lengths that a block may have.
      generator: of random colours; None: black.
    """
    picture = np.zeros((*mask.shape, 4), np.uint8)
    if generator is not None:
        picture[:] = generator.integers(0, 3, picture.shape)
    picture[..., 3] = np.where(mask, 255, 0)
    return pack_numbers(picture.reshape(-1), sizes)


def pack_numbers(numbers, sizes=(3, 4, 8, 16)):
    """Encode values of 8 bits."""
    numbers = np.asarray(numbers, np.uint8)
    text = [f"{len(numbers):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)]
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] ^ 1)).tolist()
    literals = []

    def store():
        for at in range(0, len(literals), 2 ** sizes[0]):
            some = literals[at : at + 2 ** sizes[0]]
            text.append(f"000{len(some) - 1:0{sizes[0]}b}" + "".join(f"{value:08b}" for value in some))
        literals.clear()

    for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
        if end - start < 3:
            literals.extend([int(numbers[start])] * (end - start))
            continue
        store()
        for at in range(start, end, 2 ** sizes[3]):
            run = min(end - at, 2 ** sizes[3])
            which = next(i for i, size in enumerate(sizes) if run <= 2**size)
            text.append(f"1{which:02b}{run - 1:0{sizes[which]}b}{int(numbers[start]):08b}")
    store()
    bits = "".join(text)
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8, "big"))
