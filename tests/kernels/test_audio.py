"""`log_mel`: spectrograms of clips of any length."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.kernels.implementations import Run
from tests.kernels.shim.machine import Shim

from headrace_kernels.audio.clips import MelFilters, RaggedClips, Spectrogram
from headrace_kernels.audio.filters import hertz_of, mel_filters, mels_of
from headrace_kernels.audio.launcher import log_mel
from headrace_kernels.audio.reference import log_mel as reference

KERNEL = "log_mel"

RATE = 16_000
SPEECH = mel_filters(RATE, 400, 80)
MUSIC = mel_filters(22_050, 2048, 128)
# Features that are logarithms of what an energy is, not of what it is at least.
BARE: dict[str, Any] = {"hop": 160, "least": 1e-30}


def sound(seed: int, *lengths: int, dtype: Any = np.float32) -> RaggedClips:
    """Return clips of rising tones in noise, with a click and a silence."""
    dice = np.random.default_rng(seed)
    time = np.arange(sum(lengths)) / RATE
    samples = 0.4 * np.sin(2 * np.pi * (200 + 900 * time) * time) + dice.normal(0, 0.02, len(time))
    samples[len(time) // 3 : len(time) // 2] *= 1e-3
    samples[len(time) // 4 :][:1] = 0.9
    scaled = samples * 32_768 if dtype == np.int16 else samples
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return RaggedClips(scaled.astype(dtype), offsets)


def near(run: Run, clips: RaggedClips, mel: MelFilters, told: Spectrogram) -> tuple[Any, Any]:
    """Return what ``run`` makes of clips, once energies are near those of the reference."""
    features, counts = run("log_mel", clips, mel, told)
    expected, frames = reference(clips, mel, told)
    assert (features.dtype, counts.dtype) == (np.float32, np.int32)
    np.testing.assert_array_equal(counts, frames)
    for mine, theirs, count in zip(features, expected, counts, strict=True):
        assert (mine[:, count:] == np.float32(told.padding)).all()
        found, right = (
            np.exp((one[:, :count].astype(np.float64) - told.offset) / told.scale)
            for one in (mine, theirs)
        )
        sound_ones = np.isfinite(right)
        np.testing.assert_array_equal(np.isfinite(found), sound_ones)
        found, right = (np.where(sound_ones, one, 0) for one in (found, right))
        largest = right.max(0, keepdims=True, initial=0)
        assert not (np.abs(found - right) > 1e-5 * right + 1e-6 * largest).any()
    return features, counts


@pytest.mark.parametrize("mel", [SPEECH, MUSIC], ids=["400", "2048"])
def test_energies_are_those_of_torch(mel: MelFilters, run: Run) -> None:
    clips = sound(1, 9000)
    features, counts = near(run, clips, mel, Spectrogram(frames=60, **BARE))
    tensor = torch.from_numpy(clips.samples.astype(np.float64))
    window = torch.from_numpy(mel.window.astype(np.float64))
    spectrum = torch.stft(tensor, len(window), 160, window=window, return_complex=True).abs() ** 2
    theirs = mel.filters @ spectrum.numpy()
    assert counts[0] == theirs.shape[1] == 57
    mine = np.exp(features[0, :, :57].astype(np.float64))
    assert (np.abs(mine - theirs) <= 1e-5 * theirs + 1e-6 * theirs.max(0)).all()


def test_clips_of_any_length_share_a_batch(run: Run) -> None:
    lengths = [0, 1, 2, 160, 200, 201, 320, 399, 400, 401, 559, 560, 5000]
    for centred in (True, False):
        told = Spectrogram(frames=11, centred=centred, padding=-7.5, **BARE)
        _, counts = near(run, sound(2, *lengths), SPEECH, told)
        whole = [n // 160 + 1 if n else 0 for n in lengths]
        inside = [(n - 400) // 160 + 1 if n >= 400 else 0 for n in lengths]
        assert counts.tolist() == [min(11, n) for n in (whole if centred else inside)]


def test_what_a_feature_is_made_of_an_energy(run: Run) -> None:
    clips = sound(3, 3000)
    plain, _ = near(run, clips, SPEECH, Spectrogram(frames=18, hop=160, least=1e-3))
    assert plain.min() == pytest.approx(np.log(1e-3))
    told = Spectrogram(frames=18, hop=160, least=1e-3, scale=float(10 / np.log(10)), offset=4.0)
    decibels, _ = near(run, clips, SPEECH, told)
    np.testing.assert_allclose(decibels, plain * told.scale + 4.0, rtol=1e-5, atol=1e-4)
    bare = Spectrogram(frames=18, magnitude=True, **BARE)
    near(run, clips, SPEECH, bare)


def test_samples_of_16_bits_are_those_of_floats(run: Run) -> None:
    clips = sound(4, 2000, 700, dtype=np.int16)
    told = Spectrogram(frames=13, **BARE)
    features, _ = near(run, clips, SPEECH, told)
    floats = replace(clips, samples=clips.samples.astype(np.float32) / 32_768)
    np.testing.assert_array_equal(features, near(run, floats, SPEECH, told)[0])


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_a_sample_that_is_no_number_spoils_the_frames_it_is_in(odd: float, run: Run) -> None:
    clips = sound(5, 2000, 2000)
    clips.samples[1000] = odd
    features, counts = near(run, clips, SPEECH, Spectrogram(frames=13, **BARE))
    spoilt = [-200 <= 1000 - 160 * frame < 200 for frame in range(counts[0])]
    assert (~np.isfinite(features[0])).all(0).tolist() == spoilt
    assert np.isfinite(features[1]).all()


@pytest.mark.parametrize(
    "offsets", [[0, 9999], [0, 801], [-1, 300], [700, 2], [-(2**63), 2**63 - 1]]
)
def test_a_clip_that_does_not_lie_inside_is_empty(offsets: list[int], run: Run) -> None:
    clips = replace(sound(6, 800), offsets=np.array([*offsets, 800], np.int64))
    features, counts = near(run, clips, SPEECH, Spectrogram(frames=5, padding=3.0, **BARE))
    assert counts[0] == 0
    assert (features[0] == 3.0).all()


def test_a_batch_may_be_empty_or_of_256(run: Run) -> None:
    told = Spectrogram(frames=3, **BARE)
    assert near(run, sound(7), SPEECH, told)[0].shape == (0, 80, 3)
    near(run, sound(8, *[17 * n for n in range(256)]), SPEECH, Spectrogram(frames=2, **BARE))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_clips(run: Run, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(0, 1500), min_size=1, max_size=3))
    told = Spectrogram(
        hop=data.draw(st.integers(1, 500)),
        frames=data.draw(st.integers(1, 9)),
        centred=data.draw(st.booleans()),
        least=1e-30,
    )
    near(run, sound(data.draw(st.integers(0, 99)), *lengths), SPEECH, told)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_spans_that_lie_mean_the_same_to_all(run: Run, data: st.DataObject) -> None:
    """Backwards, below 0 or beyond the bins; what a filter has outside of its span is not read."""
    edge = st.integers(-5, 206) | st.integers(-(2**31), 2**31 - 1)
    spans = data.draw(st.lists(st.tuples(edge, edge), min_size=4, max_size=4))
    filters = np.random.default_rng(data.draw(st.integers(0, 9))).random((4, 201), np.float32)
    mel = MelFilters(SPEECH.window, filters, np.array(spans, np.int32))
    near(run, sound(9, 700), mel, Spectrogram(frames=5, **BARE))


def test_mels_are_slaneys() -> None:
    hertz = np.array([0.0, 60, 110, 220, 440, 1000, 6400])
    np.testing.assert_allclose(mels_of(hertz), [0, 0.9, 1.65, 3.3, 6.6, 15, 42], rtol=1e-9)
    np.testing.assert_allclose(hertz_of(mels_of(hertz)), hertz, rtol=1e-9)


def test_filters_have_one_area_and_say_where_they_are() -> None:
    for mel, rate in ((SPEECH, RATE), (MUSIC, 22_050)):
        areas = mel.filters.sum(1) * rate / (2 * (mel.filters.shape[1] - 1))
        assert np.abs(areas[20:] - 1).max() < 0.12  # low ones are narrower than a bin
        for row, (low, high) in zip(mel.filters, mel.spans, strict=True):
            assert row[low:high].any() == row.any()
            assert not row[:low].any()
            assert not row[high:].any()
    cut = mel_filters(RATE, 400, 20, top_hz=4000)
    assert cut.spans.max() == 100


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 402}, "a number that 4 divides is needed"),
        ({"n": 4096}, "n is 4096: 4 to 2048"),
        ({"n": 400.0}, r"n is 400\.0; expected a whole number"),
        ({"rate": 0}, "rate is 0: 1 to"),
        ({"mels": 0}, "mels is 0: 1 to"),
        ({"mels": 2.5}, r"mels is 2\.5; expected a whole number"),
        ({"top_hz": float("nan")}, "top_hz is nan: a finite number"),
        ({"top_hz": 8000.1}, r"top_hz is 8000\.1: above 0, and 8000\.0 at most, half the rate"),
        ({"top_hz": 0}, "top_hz is 0: above 0"),
        ({"top_hz": -1.0}, r"top_hz is -1\.0: above 0"),
    ],
)
def test_filters_that_cannot_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        mel_filters(**{"rate": RATE, "n": 400, "mels": 80, **wrong})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": np.zeros(402, np.float32)}, "window has 402 samples"),
        ({"window": np.zeros(4096, np.float32)}, "window has 4096 samples"),
        ({"filters": np.zeros((80, 200), np.float32)}, r"filters has shape \[80, 200\]"),
        ({"spans": np.zeros((79, 2), np.int32)}, r"spans has shape \[79, 2\]"),
    ],
)
def test_filters_that_do_not_fit_are_refused(
    wrong: dict[str, NDArray[Any]], message: str, shim: Shim
) -> None:
    with pytest.raises(ValueError, match=message):
        log_mel(
            sound(9, 500), replace(SPEECH, **wrong), Spectrogram(frames=3, hop=160), machine=shim
        )
    assert not shim.launches


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"samples": np.zeros(500)}, "samples is float64; it must be int16 or float32"),
        ({"offsets": np.zeros(0, np.int64)}, "offsets is empty"),
    ],
)
def test_clips_that_cannot_be_read_are_refused(
    wrong: dict[str, NDArray[Any]], message: str, shim: Shim
) -> None:
    told = Spectrogram(frames=3, hop=160)
    with pytest.raises((TypeError, ValueError), match=message):
        log_mel(replace(sound(9, 500), **wrong), SPEECH, told, machine=shim)
    assert not shim.launches


@pytest.mark.parametrize("wrong", [{"hop": 0}, {"frames": 0}, {"least": 0.0}, {"frames": 1 << 18}])
def test_a_spectrogram_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        Spectrogram(**{"hop": 160, "frames": 3, **wrong})
