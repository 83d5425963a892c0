"""Graphs that do the same."""


def described(graph):
    """What layers do, and with what; their names follow from those of values and from places."""
    constants = [v.data.tobytes() for v in graph.values.values() if v.data is not None]
    return [(node.operator, node.attributes) for node in graph.nodes], constants
