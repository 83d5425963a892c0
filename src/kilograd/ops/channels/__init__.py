"""A part of a map's channels, or all of them in another order."""

from kilograd.ops.channels.part import ChannelPlace, ChannelSlice
from kilograd.ops.channels.shuffle import ChannelShuffle

OPERATORS = (ChannelSlice(), ChannelPlace(), ChannelShuffle())
