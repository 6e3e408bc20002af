"""What is read as a video: files by their first bytes, addresses by their scheme, and by which protocols."""

from __future__ import annotations

import re

from official_yolact_runtime.images import formats

EXTENSIONS = (
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".ogv", ".ts", ".webm", ".wmv",
)  # fmt: skip
"""Suffixes of video files, in lower case: what is read in a folder."""

SCHEMES = ("rtsp", "rtsps", "http", "https")
"""Of the addresses of streams."""

FILE_FORMATS = "mov,mp4,m4a,3gp,3g2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,flv,ogg,asf,mjpeg,h264,hevc"
"""FFmpeg's names of the formats of files. None of them opens a second file, as playlists do."""

STREAM_FORMATS = f"{FILE_FORMATS},hls,mpjpeg,rtsp,rtp,sdp"
"""FFmpeg's names of the formats of streams."""

STREAM_PROTOCOLS = "http,https,tcp,tls,udp,rtp,rtsp,rtsps,httpproxy,crypto"
"""FFmpeg's names of the protocols by which a stream is read. `file` is none: no playlist opens a file."""

TIMEOUT_SECONDS = 15.0
"""A stream that sends nothing for so long has stopped."""

MAX_PIXELS = formats.MAX_PIXELS

_CAMERA = re.compile(r"camera:(\d{1,4})")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_IMAGE_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis", b"jpx ", b"jp2 ")


def find_camera(name: str) -> int | None:
    """Read the number of `camera:0`; None: it is no camera."""
    match = _CAMERA.fullmatch(name)
    return int(match[1]) if match else None


def find_scheme(name: str) -> str:
    """Find the scheme of an address, in lower case; empty: it is no address."""
    match = _ADDRESS.match(name)
    return match[1].lower() if match else ""


def hide_password(address: str) -> str:
    """Leave user and password out of an address, which is shown and written."""
    return re.sub(r"^([^:/]+://)[^/?#]*@", r"\1", address)


def is_video(start: bytes) -> bool:
    """Tell by its first 12 bytes, or more, whether a file is a video."""
    if start[4:8] == b"ftyp":
        return start[8:12] not in _IMAGE_BRANDS
    if start[:4] == b"RIFF":
        return start[8:11] == b"AVI"
    return start.startswith(
        (b"\x1a\x45\xdf\xa3", b"OggS", b"FLV\x01", b"\0\0\1\xba", b"\x30\x26\xb2\x75")
    ) or (
        # Of a text that begins so, no byte of the size would be 0.
        start[4:8] in (b"moov", b"mdat", b"wide", b"free") and b"\0" in start[:4]
    )
