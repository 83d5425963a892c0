"""Schemes: generators, the published files, and messages that name the line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilograd.errors import SchemeError
from kilograd.frontend.open import load_model
from kilograd.ops import REGISTRY
from kilograd.scheme import Scheme, layers, load_scheme, parse_scheme, published_schemes
from operators.networks import residual_network

GRAPH = residual_network()
NAMES = layers(GRAPH)


def thirds(first, last, share=1.0):
    return dict.fromkeys(range(first, last + 1, 3), share)


#: As published: biases counted from the end, convolution index -> share; 0 there trains nothing.
PUBLISHED = {
    "mcunet-5fps/49kb": (20, {23: 0, 24: 0.25, 27: 0.5, 30: 0.5, 33: 0, 39: 0}),
    "mcunet-5fps/99kb": (22, {**thirds(21, 30), 36: 0.125, 39: 0.25}),
    "mcunet-5fps/148kb": (23, {**thirds(21, 30), 36: 1, 39: 0.5}),
    "mbv2-w0.35/49kb": (
        16,
        {36: 1, 39: 1, 40: 0, 41: 0.25, 42: 0.125, 45: 0.125, 48: 0.125, 49: 0.125},
    ),
    "mbv2-w0.35/99kb": (25, {**thirds(27, 39), 42: 0.125, 45: 0.5, 48: 1}),
    "mbv2-w0.35/138kb": (34, thirds(27, 48)),
    "proxyless-w0.3/49kb": (
        21,
        {39: 0.25, 42: 1, 44: 0, 45: 1, 50: 0, 51: 0.125, 54: 0.25, 57: 0.25},
    ),
    "proxyless-w0.3/98kb": (
        25,
        {36: 1, 39: 0.5, 42: 1, 45: 1, 48: 0.25, 51: 0.5, 54: 1, 57: 1},
    ),
    "proxyless-w0.3/148kb": (45, thirds(36, 57)),
}


def parse(text):
    return parse_scheme(text, GRAPH, "my.toml")


def refused(text):
    with pytest.raises(SchemeError) as caught:
        parse(text)
    return str(caught.value)


def test_layers_are_those_with_weights_and_end_with_the_head():
    assert NAMES[0] == "stem"
    assert NAMES[-1] == "head"
    assert len(NAMES) == 8
    assert "block1.join" not in NAMES


def test_generators():
    head = load_scheme("head", GRAPH)
    assert (head.biases, head.weights) == (("head",), {"head": 1.0})
    biases = load_scheme("bias:3", GRAPH)
    assert (biases.biases, biases.weights) == (tuple(NAMES[-3:]), {"head": 1.0})
    last = load_scheme("last:4", GRAPH)
    assert (last.biases, last.weights) == (tuple(NAMES[-4:]), dict.fromkeys(NAMES[-4:], 1.0))
    full = load_scheme("full", GRAPH)
    assert (full.biases, full.weights) == (tuple(NAMES), dict.fromkeys(NAMES, 1.0))
    assert load_scheme("last:8", GRAPH).weights == full.weights
    assert load_scheme("last:1", GRAPH).weights == head.weights


def test_generators_with_the_model_in_front():
    for text in ("head", "bias:2", "last:2", "full"):
        assert load_scheme(f"{GRAPH.name}/{text}", GRAPH) == load_scheme(text, GRAPH)
    with pytest.raises(SchemeError, match="there is no scheme 'another/head'"):
        load_scheme("another/head", GRAPH)


@pytest.mark.parametrize(
    "text", ["last:0", "bias:x", "last:9", "bias:-1", "last:", "bias:1.5", "last:9999999", "bias: "]
)
def test_generators_need_a_count(text):
    with pytest.raises(SchemeError) as caught:
        load_scheme(text, GRAPH)
    kind, _, count = text.partition(":")
    assert f"{kind}:K needs a whole number of layers from 1 to 8, not {count!r}" in str(
        caught.value
    )


@pytest.mark.parametrize(
    "text", ["", "Head", "last", "nope/49kb", "no.toml", "x" * 5000, "\0", "/"]
)
def test_unknown_schemes(text):
    with pytest.raises(SchemeError) as caught:
        load_scheme(text, GRAPH)
    assert f"there is no scheme {text!r}" in str(caught.value)
    assert "head, bias:K, last:K, full" in str(caught.value)
    assert "mcunet-5fps/49kb" in str(caught.value)


def test_the_nine_published_schemes_come_along():
    assert set(PUBLISHED) <= set(published_schemes())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_scheme_is_that_of_the_paper(name, published):
    graph = load_model(str(published(name.split("/")[0])), 10)
    indexed = [n.layer for n in graph.nodes if REGISTRY[n.operator].has_weights]
    count, shares = PUBLISHED[name]
    scheme = load_scheme(name, graph)
    assert scheme.name == name
    assert scheme.biases == tuple(indexed[-count:])
    expected = {indexed[index]: share for index, share in sorted(shares.items()) if share}
    assert scheme.weights == {**expected, "head": 1.0}


def test_published_scheme_of_another_model():
    with pytest.raises(SchemeError) as caught:
        load_scheme("mcunet-5fps/49kb", GRAPH)
    assert str(caught.value).startswith("mcunet-5fps/49kb:7: last: must be")
    assert "hint: the scheme is for mcunet-5fps, the model is small" in str(caught.value)


def test_file(tmp_path):
    path = tmp_path / "a scheme.toml"
    path.write_text('[bias]\nlast = 1\nlayers = ["stem"]\n[weights]\nhead = 1\nstem = 0.25\r\n')
    scheme = load_scheme(str(path), GRAPH)
    assert scheme == Scheme(str(path), ("stem", "head"), {"stem": 0.25, "head": 1.0})
    assert list(scheme.weights) == ["stem", "head"]


def test_file_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text("[weights]\nhead = 1\n", encoding="utf-8-sig")
    assert load_scheme(str(path), GRAPH).weights == {"head": 1.0}


def test_file_that_is_no_text(tmp_path):
    path = tmp_path / "s.toml"
    path.write_bytes(b"name = '\xff\xfe'")
    with pytest.raises(SchemeError, match=r"s\.toml: the scheme cannot be read"):
        load_scheme(str(path), GRAPH)


def test_name_and_both_kinds_of_biases():
    scheme = parse('name = "né"\n[bias]\nlayers = ["stem", "stem"]\n')
    assert scheme == Scheme("né", ("stem",), {})
    assert parse("[bias]\nlast = 2").biases == tuple(NAMES[-2:])


SHARE = "head: the share must be"
ERRORS = {
    "unknown layer": ('# x\n[weights]\n"block1.nope" = 1', "my.toml:3: block1.nope: the model has"),
    "join": ('[weights]\n"block1.join" = 1', "my.toml:2: block1.join: the model has no such layer"),
    "unknown bias": ('[bias]\nlayers = [\n  "stem",\n  "x"]', "my.toml:4: x: the model has no"),
    "zero": ("[weights]\nhead = 0", f"my.toml:2: {SHARE} above 0 and at most 1"),
    "zero float": ("[weights]\nhead = -0.0", f"my.toml:2: {SHARE} above 0"),
    "negative": ("[weights]\n\nhead = -0.5", f"my.toml:3: {SHARE} above 0"),
    "above one": ("[weights]\nhead = 1.0001", f"my.toml:2: {SHARE} above 0"),
    "nan": ("[weights]\nhead = nan", f"my.toml:2: {SHARE} above 0"),
    "infinite": ("[weights]\nhead = inf", f"my.toml:2: {SHARE} above 0"),
    "minus infinite": ("[weights]\nhead = -inf", f"my.toml:2: {SHARE} above 0"),
    "huge": ("[weights]\nhead = 0x" + "F" * 5000, f"my.toml:2: {SHARE} above 0"),
    "bool": ("[weights]\nhead = true", f"my.toml:2: {SHARE} a number, not a bool"),
    "text": ('[weights]\nhead = "1"', f"my.toml:2: {SHARE} a number, not a str"),
    "list": ("[weights]\nhead = [1]", f"my.toml:2: {SHARE} a number, not a list"),
    "table": ("[weights]\nhead.a.b = 1", f"my.toml:2: {SHARE} a number, not a dict"),
    "deep": (f"[weights]\nhead{'.a' * 300} = 1", f"{SHARE} a number, not a dict"),
    "unquoted": (
        "[weights]\nblock1.expand = 1",
        "my.toml:2: block1: is a table of its own\n  hint",
    ),
    "weights": ("weights = 3", "my.toml:1: weights: must be a table of layer = share"),
    "last": ("[bias]\nlast = 9", "my.toml:2: last: must be a whole number of layers from 0 to 8"),
    "negative last": ("[bias]\nlast = -1", "my.toml:2: last: must be"),
    "true last": ("[bias]\nlast = true", "my.toml:2: last: must be"),
    "half last": ("[bias]\nlast = 1.0", "my.toml:2: last: must be"),
    "huge last": ("[bias]\nlast = 0x" + "F" * 5000, "my.toml:2: last: must be"),
    "layers": ("[bias]\nlayers = 'stem'", "my.toml:2: layers: must be a list of layer names"),
    "numbers": ("[bias]\nlayers = [1]", "my.toml:2: layers: must be a list of layer names"),
    "bias": ("bias = [1]", "my.toml:1: bias: must be a table with last or layers"),
    "bias key": (
        "[bias]\nfirst = 1",
        "my.toml:2: first: [bias] has no such key\n  hint: known: la",
    ),
    "key": ("[weigths]\nhead = 1", "my.toml:1: weigths: the scheme has no such key"),
    "name": ("name = 1\n[weights]\nhead = 1", "my.toml:1: name: must be a string"),
    "comment": ("# head = 2\n[weights] # head\nhead = 2", f"my.toml:3: {SHARE} above 0"),
    "mention": ('name = "head"\n[weights]\nhead = 2', f"my.toml:3: {SHARE} above 0"),
    "syntax": ("[weights]\nhead = ", "my.toml: not a TOML file: Invalid value (at "),
    "twice": ("[weights]\nhead = 1\nhead = 1", "not a TOML file: Cannot overwrite a value"),
    "long number": ("[weights]\nhead = " + "9" * 5000, "my.toml: not a TOML file"),
    "nesting": ("a = " + "[" * 5000, "my.toml: not a TOML file"),
    "date": ("[weights]\nhead = 2020-13-45", "my.toml: not a TOML file"),
    "empty": ("", "my.toml: the scheme trains nothing\n  hint: add head = 1.0"),
    "nothing": ("[bias]\nlast = 0\nlayers = []\n[weights]", "my.toml: the scheme trains nothing"),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_name_the_line(what):
    text, message = ERRORS[what]
    assert message in refused(text)


def test_odd_texts_do_not_crash():
    assert "\u2028" in refused('[weights]\n"\u2028\U0001f600" = 1')
    assert "my.toml:3" in refused(
        '# \u2028 \x0c \u0085\n[weights]\n"x\u0301" = 1'.replace("\x0c", "")
    )
    assert parse('name = "\\u0000"\n[weights]\nhead = 1').name == "\0"
    assert parse("[weights]\n'head' = 1").weights == {"head": 1.0}


LINES = st.sampled_from(
    ["[bias]", "[weights]", "last = 3", "last = 0x7", 'layers = ["stem", "head"]', "head = 1",
     '"block1.expand" = 0.5', "head = nan", "head = 1e400", 'name = "x"', "model = 3", "[[bias]]",
     "[weights.head]", "bias.last = 1", "head = 1_0.0e-1", '"\\u00e9" = 1', "= 1", "{", "'''"]
)  # fmt: skip
TEXTS = st.lists(LINES | st.text(max_size=12), max_size=8).map("\n".join)


@settings(max_examples=400, deadline=None)
@given(TEXTS | st.text(max_size=80))
def test_fuzzed_schemes(text):
    try:
        scheme = parse_scheme(text, GRAPH, "f")
    except SchemeError:
        return
    assert scheme.biases or scheme.weights
    assert set(scheme.biases) | set(scheme.weights) <= set(NAMES)
    assert all(0 < share <= 1 for share in scheme.weights.values())


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20) | st.from_regex(r"(bias|last):.{0,4}", fullmatch=True))
def test_fuzzed_scheme_names(text):
    try:
        scheme = load_scheme(text, GRAPH)
    except SchemeError:
        return
    assert scheme.weights["head"] == 1.0
