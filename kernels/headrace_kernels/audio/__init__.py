"""From clips of sound to the log-mel spectrogram that a model reads."""
