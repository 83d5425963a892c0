"""Channels of a map in another order, and a map of zeros with some channels put in."""

from kilograd.ops.channels.op import ChannelPlace, ChannelShuffle

OPERATORS = (ChannelShuffle(), ChannelPlace())
