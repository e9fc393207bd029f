// Resize without antialiasing: a pixel is read from the 1, 4 or 16 that surround its place in the source.
//
// One thread makes two pixels, whose loads are in flight together. Where a column or row of the tile lies is worked
// out once a block, in whole numbers, so that a position in an image 20,000 pixels wide is as exact as in a small one.
// TAPS is 1 (nearest), 2 (bilinear) or 4 (bicubic).

#include "images/image.cuh"

#define TILE_WIDTH 32
#define TILE_HEIGHT 16
#define ROWS 8 // of threads

struct Position {
    int first; // of TAPS neighbours; -1: outside of the image
    float weights[TAPS];
};

__device__ inline float near(float x) { return (1.25f * x - 2.25f) * x * x + 1.0f; }
__device__ inline float far(float x) { return ((-0.75f * x + 3.75f) * x - 6.0f) * x + 3.0f; }

// Neighbours beyond an edge count as the pixel at the edge: their weight is added to its.
__device__ inline Position position(int at, int resized, int side)
{
    Position result;
    result.first = -1;
    if (side == 0 || at < 0 || at >= resized) return result;
    const long long whole = 2LL * resized;
    if (TAPS == 1) {
        result.first = (int)((2LL * at + 1) * side / whole);
        result.weights[0] = 1.0f;
        return result;
    }
    long long place = (2LL * at + 1) * side - resized;
    if (TAPS == 2 && place < 0) place = 0;
    const long long base = place < 0 ? -1 : place / whole;
    const float t = (float)(place - base * whole) / (float)whole;
    float weights[4] = {1.0f - t, t, 0.0f, 0.0f};
    if (TAPS == 4) {
        weights[0] = far(t + 1.0f);
        weights[1] = near(t);
        weights[2] = near(1.0f - t);
        weights[3] = far(2.0f - t);
    }
    const long long start = TAPS == 4 ? base - 1 : base;
    result.first = (int)max(0LL, min(start, (long long)side - TAPS));
    for (int i = 0; i < TAPS; ++i) result.weights[i] = 0.0f;
    for (int i = 0; i < TAPS; ++i) {
        const int neighbour = (int)max(0LL, min(start + i, (long long)side - 1)) - result.first;
#pragma unroll
        for (int j = 0; j < TAPS; ++j)
            if (j == neighbour) result.weights[j] += weights[i];
    }
    return result;
}

// Adds to `levels` what the neighbours of a pixel are, by their weights.
__device__ inline void interpolated(
    const unsigned char* pixels, const Batch& batch, const Image& image, const Position& row,
    const Position& column, float* levels)
{
#pragma unroll
    for (int j = 0; j < TAPS; ++j) {
        // A row or column beyond a small image has weight 0.
        const Pixels<TAPS> found = read<TAPS>(pixels, batch, image, row.first + j, column.first);
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) {
            float sum = 0.0f;
#pragma unroll
            for (int i = 0; i < TAPS; ++i) sum += column.weights[i] * (float)found.level(i, c);
            levels[c] += row.weights[j] * sum;
        }
    }
    // Bicubic weights are negative in part; a level stays one.
    for (int c = 0; c < CHANNELS; ++c) levels[c] = fminf(fmaxf(levels[c], 0.0f), 255.0f);
}

extern "C" __global__ void __launch_bounds__(TILE_WIDTH* ROWS) interpolate(
    const unsigned char* __restrict__ pixels, const long long* __restrict__ offsets,
    const int* __restrict__ sizes, Output* __restrict__ out, const Batch batch)
{
    __shared__ Image image;
    __shared__ Position columns[TILE_WIDTH];
    __shared__ Position rows[TILE_HEIGHT];
    const int index = blockIdx.z, me = threadIdx.y * TILE_WIDTH + threadIdx.x;
    const int x0 = blockIdx.x * TILE_WIDTH, y0 = blockIdx.y * TILE_HEIGHT;
    if (me == 0) image = placed(offsets, sizes, batch, index);
    __syncthreads();
    if (me < TILE_WIDTH) {
        const int x = x0 + me < batch.width ? x0 + me + image.left : -1;
        columns[me] = position(x, image.resized_width, image.width);
    } else if (me < TILE_WIDTH + TILE_HEIGHT) {
        const int row = me - TILE_WIDTH;
        const int y = y0 + row < batch.height ? y0 + row + image.top : -1;
        rows[row] = position(y, image.resized_height, image.height);
    }
    __syncthreads();

    const int x = x0 + threadIdx.x;
    const Position& column = columns[threadIdx.x];
#pragma unroll
    for (int half = 0; half < TILE_HEIGHT / ROWS; ++half) {
        const int y = y0 + half * ROWS + threadIdx.y;
        const Position& row = rows[half * ROWS + threadIdx.y];
        if (x >= batch.width || y >= batch.height) continue;
        const bool inside = column.first >= 0 && row.first >= 0;
        float levels[CHANNELS];
        for (int c = 0; c < CHANNELS; ++c) levels[c] = inside ? 0.0f : batch.fill;
        if (inside) interpolated(pixels, batch, image, row, column, levels);
        store(out, batch, index, y, x, levels);
    }
}
