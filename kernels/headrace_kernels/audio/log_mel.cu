// Framing, window, spectrum, mel filters and logarithm of a ragged batch of clips: a block makes FRAMES frames of one
// clip, from its samples to its features, and nothing in between leaves it.
//
// The spectrum is summed up, not a fast transform: a window may have any length that 4 divides (400 is usual for speech), a
// second of sound has a hundred frames, and one thread's bin costs a cosine and a sine from shared memory for FRAMES
// products each. What is alike in x[n] and x[N - n] is added before, which halves the sum. SAMPLES is INT16 or FLOAT32,
// WINDOW the number N of samples of a frame.

#include "cuda/numbers.cuh"

#define INT16 5

#if SAMPLES == INT16
typedef short Sample;
__device__ inline float sample(Sample value) { return value * (1.0f / 32768.0f); }
#elif SAMPLES == FLOAT32
typedef float Sample;
__device__ inline float sample(Sample value) { return value; }
#else
#error "SAMPLES is neither of the two"
#endif

#if WINDOW % 4 != 0
#error "4 does not divide WINDOW"
#endif

#define THREADS 128
#define FRAMES 4
#define HALF (WINDOW / 2)
#define BINS (HALF + 1)

struct Spectrogram {
    long long total; // of samples
    int hop, mels, frames; // of the output
    int centred; // frame i is around sample i * hop, and clips are reflected at their ends
    int magnitude; // not its square
    float least, scale, offset; // a feature is log(max(energy, least)) * scale + offset
    float padding; // the feature of frames that a clip has not
};

// The position that `at` is the mirror image of, in a clip of `length` samples.
__device__ inline long long reflected(long long at, long long length)
{
    if (length == 1) return 0;
    const long long period = 2 * (length - 1);
    at = (at < 0 ? -at : at) % period;
    return at < length ? at : period - at;
}

extern "C" __global__ void __launch_bounds__(THREADS) log_mel(
    const Sample* __restrict__ samples, const long long* __restrict__ offsets,
    const float* __restrict__ window, const float* __restrict__ filters, const int* __restrict__ spans,
    float* __restrict__ features, int* __restrict__ counts, const Spectrogram told)
{
    // Even and odd parts of each frame, then its spectrum.
    __shared__ float parts[FRAMES][2][BINS];
    __shared__ float cosines[WINDOW]; // a sine is a cosine three quarters further on
    const int me = threadIdx.x;
    const long long clip = blockIdx.x, begin = offsets[clip], end = offsets[clip + 1];
    // Offsets come from outside: a clip that does not lie inside `samples` is taken for empty.
    const bool inside = begin >= 0 && begin <= end && end <= told.total;
    const long long length = inside ? end - begin : 0;
    long long whole = 0; // frames that the clip has
    if (told.centred && length > 0) whole = length / told.hop + 1;
    if (!told.centred && length >= WINDOW) whole = (length - WINDOW) / told.hop + 1;
    const int count = (int)min(whole, (long long)told.frames);
    const int first = blockIdx.y * FRAMES;
    float* row = features + clip * told.mels * told.frames;
    if (blockIdx.y == 0 && me == 0) counts[clip] = count;
    if (first >= count) {
        for (int i = me; i < FRAMES * told.mels; i += THREADS)
            if (first + i % FRAMES < told.frames)
                row[(long long)(i / FRAMES) * told.frames + first + i % FRAMES] = told.padding;
        return;
    }

    for (int i = me; i < WINDOW; i += THREADS) cosines[i] = cospif(2.0f * i / WINDOW);
    for (int i = me; i < FRAMES * BINS; i += THREADS) {
        const int frame = i / BINS, n = i % BINS;
        const long long start = (long long)(first + frame) * told.hop - (told.centred ? HALF : 0);
        float values[2] = {0.0f, 0.0f};
        const int places[2] = {n, WINDOW - n};
        for (int k = 0; k < 2; ++k) {
            // Sample 0 has no partner, and the middle one is its own.
            if (first + frame >= count || (k == 1 && (n == 0 || n == HALF))) continue;
            const long long at = start + places[k];
            const long long from = told.centred ? reflected(at, length) : at;
            values[k] = sample(samples[begin + from]) * window[places[k]];
        }
        parts[frame][0][n] = values[0] + values[1];
        parts[frame][1][n] = values[0] - values[1];
    }
    __syncthreads();

    float energies[(BINS + THREADS - 1) / THREADS][FRAMES];
#pragma unroll
    for (int turn = 0; turn < (BINS + THREADS - 1) / THREADS; ++turn) {
        const int bin = turn * THREADS + me;
        float real[FRAMES], imaginary[FRAMES];
        for (int frame = 0; frame < FRAMES; ++frame) real[frame] = imaginary[frame] = 0.0f;
        int angle = 0, turned = 3 * WINDOW / 4;
        for (int n = 0; n < BINS && bin < BINS; ++n) {
            const float cosine = cosines[angle], sine = cosines[turned];
#pragma unroll
            for (int frame = 0; frame < FRAMES; ++frame) {
                real[frame] += parts[frame][0][n] * cosine;
                imaginary[frame] += parts[frame][1][n] * sine;
            }
            angle += bin;
            if (angle >= WINDOW) angle -= WINDOW;
            turned += bin;
            if (turned >= WINDOW) turned -= WINDOW;
        }
#pragma unroll
        for (int frame = 0; frame < FRAMES; ++frame)
            energies[turn][frame] = real[frame] * real[frame] + imaginary[frame] * imaginary[frame];
    }
    __syncthreads(); // all have read the parts; the spectrum takes their place
#pragma unroll
    for (int turn = 0; turn < (BINS + THREADS - 1) / THREADS; ++turn) {
        const int bin = turn * THREADS + me;
        if (bin >= BINS) continue;
#pragma unroll
        for (int frame = 0; frame < FRAMES; ++frame)
            parts[frame][0][bin] = told.magnitude ? sqrtf(energies[turn][frame]) : energies[turn][frame];
    }
    __syncthreads();

    for (int i = me; i < FRAMES * told.mels; i += THREADS) {
        const int frame = i % FRAMES, mel = i / FRAMES;
        if (first + frame >= told.frames) continue;
        const int low = max(0, spans[2 * mel]), high = min(BINS, spans[2 * mel + 1]);
        float energy = 0.0f;
        for (int bin = low; bin < high; ++bin)
            energy += filters[(long long)mel * BINS + bin] * parts[frame][0][bin];
        // NaN is not below anything, and stays.
        const float feature = logf(energy < told.least ? told.least : energy) * told.scale + told.offset;
        row[(long long)mel * told.frames + first + frame] = first + frame < count ? feature : told.padding;
    }
}
