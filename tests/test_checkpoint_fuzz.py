"""Random bytes and random changes of a checkpoint never break the reader."""

import zipfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoint_files import network, pickled, read_in, zipped
from kilograd.errors import ModelError

PICKLE = pickled(network())
FUZZ = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)


def mutated(data, draw):
    content = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        position = draw(st.integers(0, len(content) - 1))
        match draw(st.sampled_from(["set", "delete", "insert", "copy"])):
            case "set":
                content[position] = draw(st.integers(0, 255))
            case "delete":
                del content[position : position + draw(st.integers(1, 20))]
            case "insert":
                content[position:position] = draw(st.binary(min_size=1, max_size=8))
            case "copy":
                source = draw(st.integers(0, max(0, len(content) - 1)))
                content[position:position] = content[source : source + 40]
        content = content or bytearray(b"x")
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


def survives(folder, content):
    """Whatever bytes come, the answer is a checkpoint or a printable ModelError."""
    text = ""
    try:
        read_in(folder, content)
    except ModelError as error:
        text = str(error)
    assert text.replace("\n  hint", "").isprintable()


@FUZZ
@given(data=st.data())
def test_fuzzed_pickles(tmp_path, data):
    survives(tmp_path, zipped(mutated(PICKLE, data.draw)))


@FUZZ
@given(data=st.data())
def test_fuzzed_archives(tmp_path, data):
    deflated = zipped(PICKLE, compression=zipfile.ZIP_DEFLATED)
    survives(tmp_path, mutated(deflated, data.draw))


@FUZZ
@given(opcodes=st.lists(st.sampled_from([bytes([b]) for b in b"}]()tNK\x85\x86\x87RbsuaeqhX.("])))
def test_random_programs(tmp_path, opcodes):
    survives(tmp_path, zipped(b"\x80\x02" + b"".join(opcodes) + b"."))
