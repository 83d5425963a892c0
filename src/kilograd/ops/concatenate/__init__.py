"""Two maps side by side in their channels, and a part of a map's channels."""

from kilograd.ops.concatenate.op import ChannelSlice, Concatenate

OPERATORS = (Concatenate(), ChannelSlice())
