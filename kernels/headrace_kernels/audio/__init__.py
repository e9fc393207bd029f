"""From clips of sound to the log-mel spectrogram that a model reads."""

from headrace_kernels.audio.clips import MelFilters, RaggedClips, Spectrogram
from headrace_kernels.audio.filters import mel_filters
from headrace_kernels.audio.launcher import log_mel

__all__ = ["MelFilters", "RaggedClips", "Spectrogram", "log_mel", "mel_filters"]
