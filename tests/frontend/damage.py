"""Ways in which a file can be damaged, of any format."""

from hypothesis import strategies as st


def shortened(content: bytes):
    """The file ends early."""
    return st.integers(0, len(content) - 1).map(lambda end: content[:end])


def flipped(content: bytes):
    """One to four bits are wrong."""

    def flip(bits):
        damaged = bytearray(content)
        for bit in bits:
            damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged)

    return st.lists(st.integers(0, len(content) * 8 - 1), min_size=1, max_size=4).map(flip)


def overwritten(content: bytes):
    """Up to eight bytes in one place are others."""

    def overwrite(place, others):
        return content[:place] + others + content[place + len(others) :]

    return st.builds(overwrite, st.integers(0, len(content) - 1), st.binary(min_size=1, max_size=8))
