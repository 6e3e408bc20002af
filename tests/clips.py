"""Small videos with known frames and times, made by PyAV."""

import pathlib
from fractions import Fraction

import av
import numpy as np
from PIL import Image

SIZE = (48, 64)


def paint(index, size=SIZE):
    """Paint a frame whose brightness, in its lower third, says its number."""
    image = np.random.default_rng(index).integers(0, 256, (*size, 3), dtype=np.uint8)
    image[2 * size[0] // 3 :] = 20 + 10 * (index % 23)
    image[: size[0] // 3, : size[1] // 4] = 250, 10, 10
    return image


def write(path, times=tuple(range(0, 500, 100)), size=SIZE, codec="libx264", options=None, container=None):
    """Write a video with frames at times in milliseconds, those of an AVI in steps of 40."""
    base = Fraction(1, 25 if str(path).endswith(".avi") else 1000)
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = size[1], size[0], "yuv420p"
        stream.codec_context.time_base = stream.time_base = base
        stream.options = {"bf": "0", **(options or {})} if codec == "libx264" else options or {}
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(paint(index, size), format="rgb24")
            frame.pts, frame.time_base = int(Fraction(time, 1000) / base), base
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return str(path)


def read(path):
    """Read the times in seconds and the frames of a video, independently of the library."""
    with av.open(str(path)) as file:
        return [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]


def write_animation(path, durations):
    """Write an animated picture whose frames last so many milliseconds."""
    pictures = [Image.fromarray(paint(index)) for index in range(len(durations))]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=list(durations), loop=0)
    return str(path)


def turn_track(path, angle):
    """Write a rotation into the header of an MP4 file, as cameras do."""
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[angle]
    height, width = SIZE
    x, y = {90: (height, 0), 180: (width, height), 270: (0, width)}[angle]
    matrix = [cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, x << 16, y << 16, 1 << 30]
    content = bytearray(pathlib.Path(path).read_bytes())
    at = content.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    content[at : at + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in matrix)
    pathlib.Path(path).write_bytes(content)


def cut_off(path, share):
    """Leave so much of a file as a download that broke off does."""
    content = pathlib.Path(path).read_bytes()
    pathlib.Path(path).write_bytes(content[: int(len(content) * share)])
