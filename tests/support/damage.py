"""Damages files at random: bytes are flipped, cut, repeated, swapped with those of another file."""

from __future__ import annotations

import random

HARD = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xf0\x9f\x9b", b'"', b'""', b"\n", b"\r", b"\t", b",", b"{",
    b"[" * 300, b"<div>" * 300, b"> " * 200, b"- " * 200, b"\\ud83d", b"\\u0000", b"1e999", b"NaN",
    b"9" * 5000, b"\xfe\xff", b"\xff\xfe", b"<meta charset=utf-7>", b"<!--", b"---\n", b"&#0;",
    b"PK\x05\x06", b"PK\x01\x02", b"PAR1", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd",
)  # fmt: skip  # a table


def damaged(content: bytes, rng: random.Random, other: bytes = b"") -> bytes:
    """The content after one to four damages. other: what pieces are taken from."""
    raw = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        end = min(len(raw), at + rng.choice((1, 4, 40, 400)))
        match rng.randrange(7):
            case 0:
                del raw[at:]
            case 1:
                del raw[at:end]
            case 2:
                raw[at:at] = raw[at:end] * rng.randint(1, 20)
            case 3:
                for index in range(at, end):
                    if rng.random() < 0.1:
                        raw[index] ^= 1 << rng.randrange(8)
            case 4:
                raw[at:at] = rng.choice(HARD)
            case 5:
                raw[at:end] = rng.randbytes(end - at)
            case 6 if other:
                start = rng.randrange(len(other))
                raw[at:end] = other[start : start + rng.choice((1, 4, 40, 400))]
    return bytes(raw)
