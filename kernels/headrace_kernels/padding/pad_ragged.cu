// Rows of any length, one after the other, to a rectangle with a mask. A thread makes STEPS elements of one row.
//
// Items are moved as bits: BYTES is 1, 2, 4 or 8. MASK_BYTES is 1, 4 or 8.

#if BYTES == 1
typedef unsigned char Item;
#elif BYTES == 2
typedef unsigned short Item;
#elif BYTES == 4
typedef unsigned int Item;
#elif BYTES == 8
typedef unsigned long long Item;
#else
#error "BYTES is 1, 2, 4 or 8"
#endif

#if MASK_BYTES == 1
typedef unsigned char Mask;
#elif MASK_BYTES == 4
typedef int Mask;
#elif MASK_BYTES == 8
typedef long long Mask;
#else
#error "MASK_BYTES is 1, 4 or 8"
#endif

#define THREADS 256
#define STEPS 4 // loads in flight a thread

struct Padding {
    long long total; // places in `values`
    unsigned long long value; // bits of what is put where a row has nothing
    int length, width; // places of a row, and items of a place
    int left, last; // padding is on the left; of a row that is too long the last places are kept
};

extern "C" __global__ void __launch_bounds__(THREADS) pad_ragged(
    const Item* __restrict__ values, const long long* __restrict__ offsets, Item* __restrict__ out,
    Mask* __restrict__ mask, const Padding padding)
{
    const long long row = blockIdx.x, begin = offsets[row], end = offsets[row + 1];
    // Offsets come from outside: a row that does not lie inside `values` is taken for empty.
    const long long count = begin >= 0 && begin <= end && end <= padding.total ? end - begin : 0;
    const int kept = (int)min(count, (long long)padding.length);
    const long long first = begin + (padding.last ? count - kept : 0);
    const int shift = padding.left ? padding.length - kept : 0;
    const int items = padding.length * padding.width;
    for (int step = 0; step < STEPS; ++step) {
        const long long at = ((long long)blockIdx.y * STEPS + step) * THREADS + threadIdx.x;
        if (at >= items) return;
        const int place = (int)at / padding.width, item = (int)at % padding.width;
        const int from = place - shift;
        const bool there = from >= 0 && from < kept;
        out[row * items + at]
            = there ? values[(first + from) * padding.width + item] : (Item)padding.value;
        if (item == 0) mask[row * padding.length + place] = there;
    }
}
