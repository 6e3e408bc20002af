"""A server of one RTSP stream, H.264 over the connection itself, for the tests of streams."""

import re
import socket
import struct
import threading
import time
from fractions import Fraction

import av
import clips

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=clip\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
)


def encode(count):
    """Encode frames at 25 a second to lists of NAL units, each decodable from the first on."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = clips.SIZE[1], clips.SIZE[0], "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.options = {"tune": "zerolatency", "g": "10", "x264-params": "repeat-headers=1:slices=1"}
    packets = []
    for index in range(count):
        frame = av.VideoFrame.from_ndarray(clips.paint(index), format="rgb24")
        frame.pts = index
        packets += context.encode(frame)
    packets += context.encode(None)
    return [[unit for unit in re.split(b"\0\0\0?\1", bytes(packet)) if unit] for packet in packets]


class RtspServer:
    """Plays the frames once to whoever asks.

    Args:
      frames: lists of NAL units.
      stops: keep the connection open after the last frame, and send nothing more.
    """

    def __init__(self, frames, stops=False):
        self._frames, self._stops = frames, stops
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.requests = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        self._socket.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as file:
                self._answer(connection, file)

    def _answer(self, connection, file):
        while True:
            lines = []
            while (line := file.readline().strip()) or not lines:
                if not line:
                    return
                lines.append(line.decode())
            method = lines[0].split()[0]
            self.requests.append(method)
            number = next(line for line in lines if line.lower().startswith("cseq"))
            more = {
                "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
                "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}\r\n",
                "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 7\r\n",
            }.get(method, "Session: 7\r\n")
            body = _SDP if method == "DESCRIBE" else ""
            connection.sendall(f"RTSP/1.0 200 OK\r\n{number}\r\n{more}\r\n{body}".encode())
            if method == "PLAY":
                self._play(connection)
                return

    def _play(self, connection):
        sequence = 0
        for index, units in enumerate(self._frames):
            for unit in units:
                marker = 0x80 if unit is units[-1] else 0
                head = struct.pack(">BBHII", 0x80, marker | 96, sequence & 0xFFFF, index * 3600, 1)
                connection.sendall(struct.pack(">cBH", b"$", 0, len(head) + len(unit)) + head + unit)
                sequence += 1
            time.sleep(0.005)
        if self._stops:
            self._over.wait(20)
