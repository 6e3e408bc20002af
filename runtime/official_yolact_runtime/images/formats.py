"""Which formats of pictures are read, and what one may hold: for every command and the API."""

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "TGA")
"""Pillow's names. No other decoder ever runs: some start other programs. MPO comes as a JPEG."""

EXTENSIONS = (
    ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Suffixes of picture files, in lower case: what every command reads as a picture in a folder."""

UNREAD = (
    ".arw", ".avif", ".cr2", ".cr3", ".dng", ".exr", ".hdr", ".heic", ".heif", ".j2k", ".jp2", ".jxl", ".nef",
    ".orf", ".pef", ".psd", ".raf", ".raw", ".rw2", ".svg", ".tga",
)  # fmt: skip
"""Suffixes of picture files that no command reads in a folder: they are counted and named."""

JPEGS = ("JPEG", "MPO")
"""What Pillow calls a JPEG."""

DEPTHS = (8, 10, 12, 14, 16)
"""Bits that the values of a picture of 16 bits may fill."""

MAX_PIXELS = 50_000_000
"""Larger pictures are refused before they are decoded: a few kilobytes can claim gigabytes."""

MAX_FILE_BYTES = 1_000_000_000
"""Larger files are not read."""

MAX_SCAN_PIXELS = 20 * MAX_PIXELS
"""Pixels times scans of a JPEG. Each scan passes all pixels again; usual progressive files have about 10."""
