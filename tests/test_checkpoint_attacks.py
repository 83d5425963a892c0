"""Files that are no checkpoint, or that attack the reader, are refused."""

import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from checkpoint_files import network, pickled, refused, zipped
from kilograd.errors import ModelError
from kilograd.frontend.checkpoint import archive, read_checkpoint


class Shell:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_code_is_refused_by_name_and_not_run(tmp_path, protocol):
    victim = tmp_path / "victim"
    victim.touch()
    attack = {"first_conv": Shell(os.unlink, str(victim))}
    message = refused(tmp_path, zipped(pickle.dumps(attack, protocol=protocol)))
    if protocol == 2:
        assert message == "the pickle asks for 'posix.unlink', which is refused" or os.name == "nt"
    assert "refused" in message or "opcode" in message
    assert victim.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x02cos\nsystem\n.", "the pickle asks for 'os.system', which is refused"),
        (b"\x80\x02cbuiltins\neval\n.", "the pickle asks for 'builtins.eval', which is refused"),
        (b"\x80\x02cnumpy\nload\n.", "the pickle asks for 'numpy.load', which is refused"),
        (
            b"\x80\x02c" + b"\x1b" * 99 + b"\nx\n.",
            "the pickle asks for " + ascii("\x1b" * 60) + ", which is refused",
        ),
        (b"\x80\x02(ios\nsystem\n.", "the pickle uses the opcode INST, which no checkpoint needs"),
        (b"\x80\x02Pid\n.", "the pickle uses the opcode PERSID, which no checkpoint needs"),
        (b"\x80\x02K\x01K\x02R.", "the pickle calls something that is no function"),
        (
            b"\x80\x02cnumpy\nndarray\n)R.",
            "the pickle calls something that is no function",
        ),
        (b"\x80\x02}K\x01b.", "the pickle sets the state of something that has none"),
        (b"\x80\x02}K\x01K\x02s.", "a dict in the pickle has a key that is not a string"),
        (b"\x80\x02", "the pickle inside is damaged"),
        (b"", "the pickle inside is damaged"),
        (b"\x80\x02.", "the pickle inside is damaged"),
        (b"\x80\x02\xff", "the pickle inside is damaged"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "the pickle inside is damaged"),
        (b"\x80\x02K\x01.", "found int instead of a dict of fields"),
        # The next two crash or starve the unpickler of the standard library.
        (b"\x80\x02})" + b"\x85" * 150_000 + b"K\x01s.", "a dict in the pickle has a key that is"),
        (b"\x80\x02}r\xff\xff\xff\xff.", "the field 'first_conv' is missing"),
        (b"\x80\x02" + b"N" * 200_000 + b".", "the pickle has more than 200000 opcodes"),
    ],
)
def test_hostile_pickles(tmp_path, data, message):
    assert refused(tmp_path, zipped(data)).startswith(message)


def with_array(array):
    tree = network()
    tree["first_conv"]["params"]["bias"] = array
    return pickled(tree)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([None]), "an array has the dtype 'O8'; allowed are i1, i4, i8, f4, f8"),
        (np.zeros(4, np.complex64), "an array has the dtype 'c8'; allowed are i1, i4, i8, f4, f8"),
        (np.zeros(4, ">i4"), "an array is not little-endian"),
        (np.zeros((), np.int32), "an array's shape is not 1 to 4 positive sizes"),
        (np.zeros((1,) * 5, np.int32), "an array's shape is not 1 to 4 positive sizes"),
    ],
)
def test_unusual_arrays(tmp_path, array, message):
    assert refused(tmp_path, zipped(with_array(array))) == message


def array_pickle(shape, content):
    """A pickle of one int8 array whose shape need not fit its content."""
    text = content.decode("latin1").encode()
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85K\x00\x87R"
        b"(K\x01" + shape + b"cnumpy\ndtype\nX\x02\x00\x00\x00i1K\x00K\x01\x87R"
        b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"c_codecs\nencode\nX" + struct.pack("<I", len(text)) + text + b"X\x06\x00\x00\x00latin1"
        b"\x86Rtb."
    )


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (b"K\x05\x85", "an array of shape (5,) needs 5 bytes but has 4"),
        (b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", "an array of shape (2147483647, 2147483647)"),
        (b"K\x00\x85", "an array's shape is not 1 to 4 positive sizes"),
        (b"J\xff\xff\xff\xff\x85", "an array's shape is not 1 to 4 positive sizes"),
        (b"N", "an array's shape is not 1 to 4 positive sizes"),
        (b"K\x04\x85", "found StoredArray instead of a dict of fields"),
    ],
)
def test_array_sizes_must_match(tmp_path, shape, message):
    assert refused(tmp_path, zipped(array_pickle(shape, b"\x00\x80\xff\x01"))).startswith(message)


def test_one_string_cannot_become_many_arrays(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1024 * 1024)
    text = b"X" + struct.pack("<I", 500_000) + b"a" * 500_000 + b"q\x00"
    encode = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    data = b"\x80\x02" + text + encode * 10 + b"."
    assert refused(tmp_path, zipped(data)) == "the content of the arrays is larger than 1 MB"


def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1024 * 1024)
    bomb = zipped(bytes(1024 * 1024 + 1), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10_000
    assert refused(tmp_path, bomb) == "data.pkl unpacked is larger than 1 MB"
    assert refused(tmp_path, bytes(1024 * 1024 + 1)) == "the file is larger than 1 MB"


def test_a_bomb_that_lies_about_its_size(tmp_path):
    bomb = zipped(bytes(10_000_000), compression=zipfile.ZIP_DEFLATED)
    lying = bomb.replace(struct.pack("<I", 10_000_000), struct.pack("<I", 100))
    assert lying != bomb
    assert refused(tmp_path, lying) == "this is no checkpoint: not a readable zip archive"


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a zip", zipped(pickled(network()))[:-10], pickled(network())],
)
def test_what_is_no_zip_archive(tmp_path, content):
    assert refused(tmp_path, content) == "this is no checkpoint: not a readable zip archive"


def test_members(tmp_path):
    other = zipped(b"", member="archive/other.pkl")
    assert refused(tmp_path, other) == "the archive has 0 members named data.pkl instead of one"
    packed = zipped(pickled(network()), compression=zipfile.ZIP_BZIP2)
    assert refused(tmp_path, packed) == "data.pkl is packed in an unusual way"


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "absent.pkl", tmp_path):
        with pytest.raises(ModelError) as caught:
            read_checkpoint(path)
        assert caught.value.what == "there is no such file"
