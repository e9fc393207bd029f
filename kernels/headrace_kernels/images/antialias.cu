// Resize with antialiasing, level for level what Pillow computes: two passes, 8 bits between them.
//
// A block makes one tile of the output. It goes down the source rows under the tile, ROWS at a time: each
// thread filters one row for one column of the tile (the pixels it needs lie side by side), the levels meet in
// shared memory, and each thread adds them to its two output pixels. So a source pixel is read once a tile, no
// intermediate image exists, and shared memory does not grow with the source: a tile of an image 20,000
// pixels high is a longer loop. Weights are computed here, in double as Pillow does, and kept as whole numbers;
// sums of whole numbers are the same in any order. FILTER is BILINEAR or BICUBIC.

#include "images/image.cuh"

#define BILINEAR 1
#define BICUBIC 2
#if FILTER != BILINEAR && FILTER != BICUBIC
#error "FILTER is neither of the two"
#endif

#define TILE_WIDTH 32
#define TILE_HEIGHT 16
#define ROWS 8 // source rows a step; with TILE_WIDTH, the threads of a block
#define TAPS 16 // weights of a column or line that are held at once: with TILE_HEIGHT, the threads of a block
#define BITS 22 // of a weight behind the point
#define HALF (1 << (BITS - 1))

// The part of the source that one output column or row is made of.
struct Window {
    double centre, unit, total;
    int first, count; // count 0: outside of the image
};

__device__ inline double filtered(double x)
{
    x = fabs(x);
    if (FILTER == BILINEAR) return x < 1.0 ? 1.0 - x : 0.0;
    if (x < 1.0) return (1.5 * x - 2.5) * x * x + 1.0;
    return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5 : 0.0;
}

__device__ inline double raw_weight(const Window& window, int at)
{
    return filtered((at - window.centre + 0.5) * window.unit);
}

__device__ inline Window window(int at, int resized, int side)
{
    Window result;
    result.centre = result.unit = result.total = 0.0;
    result.first = result.count = 0;
    if (side == 0 || at < 0 || at >= resized) return result;
    const double step = (double)side / resized;
    const double widened = step < 1.0 ? 1.0 : step;
    const double support = (FILTER == BILINEAR ? 1.0 : 2.0) * widened;
    result.centre = (at + 0.5) * step;
    result.unit = 1.0 / widened;
    result.first = max(0, (int)(result.centre - support + 0.5));
    result.count = min(side, (int)(result.centre + support + 0.5)) - result.first;
    for (int i = 0; i < result.count; ++i) result.total += raw_weight(result, result.first + i);
    return result;
}

__device__ inline int weight(const Window& window, int at)
{
    if (at < window.first || at >= window.first + window.count) return 0;
    double part = raw_weight(window, at);
    if (window.total != 0.0) part /= window.total;
    const double scaled = part * (1 << BITS);
    return (int)(part < 0.0 ? scaled - 0.5 : scaled + 0.5);
}

__device__ inline int level(int sum) { return max(0, min(255, sum >> BITS)); }

// The levels of one source row under one column of the tile, one byte a channel.
__device__ inline unsigned int packed(const int* sums)
{
    unsigned int levels = 0;
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c) levels |= (unsigned int)level(sums[c]) << (8 * c);
    return levels;
}

extern "C" __global__ void __launch_bounds__(TILE_WIDTH* ROWS, 4) antialias(
    const unsigned char* __restrict__ pixels, const long long* __restrict__ offsets,
    const int* __restrict__ sizes, Output* __restrict__ out, const Batch batch)
{
    __shared__ Image image;
    __shared__ Window columns[TILE_WIDTH];
    __shared__ Window lines[TILE_HEIGHT];
    __shared__ int across[TAPS][TILE_WIDTH]; // weights of the columns, from tap `tap` on
    __shared__ int down[TAPS][TILE_HEIGHT]; // weights of the lines: all of them, or those of this step's rows
    __shared__ unsigned int middle[ROWS][TILE_WIDTH]; // between the passes
    const int index = blockIdx.z, tx = threadIdx.x, ty = threadIdx.y, me = ty * TILE_WIDTH + tx;
    const int x0 = blockIdx.x * TILE_WIDTH, y0 = blockIdx.y * TILE_HEIGHT;
    if (me == 0) image = placed(offsets, sizes, batch, index);
    __syncthreads();
    if (me < TILE_WIDTH) {
        const int x = x0 + me < batch.width ? x0 + me + image.left : -1;
        columns[me] = window(x, image.resized_width, image.width);
    } else if (me < TILE_WIDTH + TILE_HEIGHT) {
        const int line = me - TILE_WIDTH;
        const int y = y0 + line < batch.height ? y0 + line + image.top : -1;
        lines[line] = window(y, image.resized_height, image.height);
    }
    __syncthreads();

    int taps = 0, rows = 0, row = MAX_SIDE, end = 0;
    for (int i = 0; i < TILE_WIDTH; ++i) taps = max(taps, columns[i].count);
    for (int i = 0; i < TILE_HEIGHT; ++i) {
        if (lines[i].count == 0) continue;
        rows = max(rows, lines[i].count);
        row = min(row, lines[i].first);
        end = max(end, lines[i].first + lines[i].count);
    }
    if (taps == 0) end = 0; // the tile lies beside the image

    int sums[2][CHANNELS];
    for (int c = 0; c < CHANNELS; ++c) sums[0][c] = sums[1][c] = HALF;
    const Window column = columns[tx];
    bool held = false; // `across` has the weights that are needed next
    const bool all = rows <= TAPS;
    // Weights are costly (a division in double) where a device has few units for it: once a block, if they fit.
    const Window& mine = lines[me % TILE_HEIGHT];
    if (all) down[me / TILE_HEIGHT][me % TILE_HEIGHT] = weight(mine, mine.first + me / TILE_HEIGHT);
    for (; row < end; row += ROWS) {
        int partial[CHANNELS];
        for (int c = 0; c < CHANNELS; ++c) partial[c] = HALF;
        for (int tap = 0; tap < taps; tap += TAPS) {
            if (!held) {
                if (tap) __syncthreads(); // others still read the weights before these
                for (int i = me; i < TAPS * TILE_WIDTH; i += TILE_WIDTH * ROWS) {
                    const Window& of = columns[i % TILE_WIDTH];
                    across[i / TILE_WIDTH][i % TILE_WIDTH] = weight(of, of.first + tap + i / TILE_WIDTH);
                }
                __syncthreads();
                held = taps <= TAPS;
            }
            if (row + ty >= end) continue;
            const int count = min(TAPS, column.count - tap);
            for (int i = 0; i < count; i += 4) {
                const Pixels<4> found = read<4>(pixels, batch, image, row + ty, column.first + tap + i);
#pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const int by = across[i + k][tx];
#pragma unroll
                    for (int c = 0; c < CHANNELS; ++c) partial[c] += by * found.level(k, c);
                }
            }
        }
        middle[ty][tx] = packed(partial);
        if (!all && me < TILE_HEIGHT * ROWS)
            down[me / TILE_HEIGHT][me % TILE_HEIGHT] = weight(mine, row + me / TILE_HEIGHT);
        __syncthreads();
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            // A warp has one line, so that these bounds are the same for all its threads.
            const int line = ty + half * ROWS, first = lines[line].first - row;
            const int last = min(ROWS, first + lines[line].count);
            for (int k = max(0, first); k < last; ++k) {
                const unsigned int levels = middle[k][tx];
                const int by = down[all ? k - first : k][line];
#pragma unroll
                for (int c = 0; c < CHANNELS; ++c) sums[half][c] += by * (int)((levels >> (8 * c)) & 255);
            }
        }
        __syncthreads();
    }

    const int x = x0 + tx;
    for (int half = 0; half < 2; ++half) {
        const int line = ty + half * ROWS;
        const int y = y0 + line;
        if (x >= batch.width || y >= batch.height) continue;
        const bool inside = column.count > 0 && lines[line].count > 0;
        float levels[CHANNELS];
        for (int c = 0; c < CHANNELS; ++c) levels[c] = inside ? (float)level(sums[half][c]) : batch.fill;
        store(out, batch, index, y, x, levels);
    }
}
