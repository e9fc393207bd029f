// How the pixels of an image are read: side by side in one row, from interleaved channels or from video's planes.
//
// SOURCE is one of the three below; CHANNELS is 1 or 3, and 3 of a video's.

#define INTERLEAVED 1
#define NV12 2 // a plane of luma, and one of U and V in turn, a pair for 2 x 2 pixels
#define I420 3 // a plane of luma, one of U, one of V

#if SOURCE == INTERLEAVED
#define PLANES 1
#elif SOURCE == NV12 && CHANNELS == 3
#define PLANES 2
#elif SOURCE == I420 && CHANNELS == 3
#define PLANES 3
#else
#error "SOURCE is none of the three, or has other CHANNELS"
#endif

// From luma and chroma to red, green and blue; whole numbers with 16 bits behind the point.
struct Colours {
    int black, luma, red_v, green_u, green_v, blue_u;
};

// N bytes from anywhere, read as aligned words: a quarter of the loads, and rows may begin where they like.
template <int N> struct Bytes {
    unsigned int words[(N + 3) / 4];
    __device__ int operator[](int i) const { return (words[i >> 2] >> (8 * (i & 3))) & 255; }
};

__device__ inline unsigned int aligned_word(const unsigned char* pixels, long long bytes, long long index)
{
    if (4 * index + 4 <= bytes) return __ldg((const unsigned int*)pixels + index);
    unsigned int word = 0; // the last one may be cut short
    for (int i = 0; i < 3; ++i)
        if (4 * index + i < bytes) word |= (unsigned int)pixels[4 * index + i] << (8 * i);
    return word;
}

template <int N>
__device__ inline Bytes<N> load(const unsigned char* pixels, long long bytes, long long at)
{
    Bytes<N> result;
    const long long first = at >> 2;
    const int into = (int)(at & 3);
    unsigned int low = aligned_word(pixels, bytes, first);
#pragma unroll
    for (int i = 0; i < (N + 3) / 4; ++i) {
        const bool wanted = 4 * (i + 1) < into + N;
        const unsigned int high = wanted ? aligned_word(pixels, bytes, first + i + 1) : 0;
        result.words[i] = __funnelshift_r(low, high, 8 * into);
        low = high;
    }
    return result;
}

#if SOURCE == INTERLEAVED

template <int N> struct Pixels {
    Bytes<N * CHANNELS> bytes;
    __device__ int level(int pixel, int channel) const { return bytes[pixel * CHANNELS + channel]; }
};

// The N pixels from (row, column) on. What lies beyond the row may be anything, and is never outside of the buffer.
template <int N, class Image, class Batch>
__device__ inline Pixels<N> read(
    const unsigned char* pixels, const Batch& batch, const Image& image, int row, int column)
{
    const long long at = image.starts[0] + row * image.stride + (long long)column * CHANNELS;
    Pixels<N> result;
    result.bytes = load<N * CHANNELS>(pixels, batch.bytes, at);
    return result;
}

#else

template <int N> struct Pixels {
    int levels[N][3];
    __device__ int level(int pixel, int channel) const { return levels[pixel][channel]; }
};

__device__ inline int clipped(int sum) { return max(0, min(255, sum >> 16)); }

template <int N, class Image, class Batch>
__device__ inline Pixels<N> read(
    const unsigned char* pixels, const Batch& batch, const Image& image, int row, int column)
{
    constexpr int pairs = N / 2 + 1; // that N pixels can touch
    const bool odd = column & 1;
    const long long half = column >> 1;
    const Bytes<N> luma = load<N>(pixels, batch.bytes, image.starts[0] + row * image.stride + column);
#if SOURCE == NV12
    const long long at = image.starts[1] + (row >> 1) * image.stride + 2 * half;
    const Bytes<2 * pairs> chroma = load<2 * pairs>(pixels, batch.bytes, at);
#else
    const long long at = (row >> 1) * ((image.stride + 1) / 2) + half;
    const Bytes<pairs> us = load<pairs>(pixels, batch.bytes, image.starts[1] + at);
    const Bytes<pairs> vs = load<pairs>(pixels, batch.bytes, image.starts[2] + at);
#endif
    const Colours& of = batch.colours;
    Pixels<N> result;
#pragma unroll
    for (int i = 0; i < N; ++i) {
        // Both are constants once unrolled: an array indexed by a variable would lie in memory.
        const int even_pair = i / 2, odd_pair = (i + 1) / 2;
#if SOURCE == NV12
        const int u = (odd ? chroma[2 * odd_pair] : chroma[2 * even_pair]) - 128;
        const int v = (odd ? chroma[2 * odd_pair + 1] : chroma[2 * even_pair + 1]) - 128;
#else
        const int u = (odd ? us[odd_pair] : us[even_pair]) - 128;
        const int v = (odd ? vs[odd_pair] : vs[even_pair]) - 128;
#endif
        const int light = (luma[i] - of.black) * of.luma + (1 << 15);
        result.levels[i][0] = clipped(light + of.red_v * v);
        result.levels[i][1] = clipped(light + of.green_u * u + of.green_v * v);
        result.levels[i][2] = clipped(light + of.blue_u * u);
    }
    return result;
}

#endif
