"""Sound files as the network hears them: at its rate, of its length, as features."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from kilograd.data.broken import read_each
from kilograd.data.recording_notes import RecordingNotes
from kilograd.data.resample import resample_audio
from kilograd.data.signals import fit_recording
from kilograd.data.sound import read_sound
from kilograd.data.source import Decoded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kilograd.features import LogMel


def read_recordings(files: Sequence[Path], features: LogMel) -> Decoded:
    """Reads recordings, brings them to the network's rate and length, and computes the features.

    Raises:
        BrokenSamplesError: recordings that cannot be read; all of them.
        DataError: the library that reads sound does not work here.
    """
    clips = np.zeros((len(files), features.samples), np.int16)
    told = RecordingNotes(features)

    def read(index: int) -> None:
        sound = read_sound(files[index])
        samples = resample_audio(sound.samples, Fraction(features.rate, sound.rate))
        clips[index] = fit_recording(samples, features.samples)
        told.add(len(samples), clips[index], rate=sound.rate, is_clipped=sound.is_clipped)

    read_each("recordings", len(files), read)
    return Decoded(features.apply(clips), told.notes())
