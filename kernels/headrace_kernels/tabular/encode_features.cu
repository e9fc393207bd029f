// Numbers standardised, and categories as one-hot columns behind them: a thread makes one element of the output.

#include "cuda/output.cuh"

#define TILE_WIDTH 32 // neighbouring threads write neighbouring columns
#define TILE_HEIGHT 8

struct Table {
    long long rows;
    int numbers, categories; // columns of the input
    int columns; // of the output
    float missing;
};

// The category whose one-hot columns `column` is among: the last that begins at or before it, where starts ascend.
__device__ inline int category_at(const int* starts, int categories, int column)
{
    int low = 0, high = categories - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (starts[middle] <= column) low = middle;
        else high = middle - 1;
    }
    return low;
}

extern "C" __global__ void __launch_bounds__(TILE_WIDTH* TILE_HEIGHT) encode_features(
    const float* __restrict__ numbers, const float* __restrict__ mean, const float* __restrict__ scale,
    const int* __restrict__ categories, const int* __restrict__ starts, Output* __restrict__ out,
    const Table table)
{
    const long long row = (long long)blockIdx.x * TILE_HEIGHT + threadIdx.y;
    const int column = blockIdx.y * TILE_WIDTH + threadIdx.x;
    if (row >= table.rows || column >= table.columns) return;
    float value;
    if (column < table.numbers) {
        const float number = numbers[row * table.numbers + column];
        value = number == number ? (number - mean[column]) * scale[column] : table.missing;
    } else {
        const int hot = column - table.numbers;
        const int category = category_at(starts, table.categories, hot);
        // Starts come from outside: 64 bits, for one may be anything.
        const long long at = (long long)hot - starts[category];
        value = at >= 0 && categories[row * table.categories + category] == at ? 1.0f : 0.0f;
    }
    out[row * table.columns + column] = output(value);
}
