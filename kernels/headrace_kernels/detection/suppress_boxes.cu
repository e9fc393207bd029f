// Non-maximum suppression of a ragged batch: one block an image, no atomics.
//
// The block sorts keys of score and index in shared memory, a chunk of the boxes at a time, and keeps the CAPACITY
// best. Then it goes down them: a box that is still alive is kept, and all threads look which later ones of its class
// it covers. A barrier is met for each box that is kept, none for those that are not.

#include "cuda/keys.cuh"

#define THREADS 512
#define CAPACITY 1024 // candidates of an image

struct Limits {
    long long total; // of boxes
    float overlap, score; // a box is covered beyond the one, and looked at beyond the other
    int most; // boxes that are kept of an image
};

// Largest first; `size` is a power of two. A bitonic network: which keys meet does not depend on them.
__device__ inline void sort(Key* keys, int size)
{
    for (int run = 2; run <= size; run *= 2) {
        for (int apart = run / 2; apart > 0; apart /= 2) {
            __syncthreads();
            for (int pair = threadIdx.x; pair < size / 2; pair += THREADS) {
                const int i = 2 * pair - (pair & (apart - 1));
                const bool falling = (i & run) == 0;
                const Key a = keys[i], b = keys[i + apart];
                if ((a < b) != falling) continue;
                keys[i] = b;
                keys[i + apart] = a;
            }
        }
    }
    __syncthreads();
}

__device__ inline float area(const float4& box) { return (box.z - box.x) * (box.w - box.y); }

__device__ inline bool covers(const float4& a, const float4& b, float overlap)
{
    const float width = fmaxf(0.0f, fminf(a.z, b.z) - fmaxf(a.x, b.x));
    const float height = fmaxf(0.0f, fminf(a.w, b.w) - fmaxf(a.y, b.y));
    const float both = width * height;
    return both / (area(a) + area(b) - both) > overlap;
}

__device__ inline Key candidate(const float* scores, int index, int count, float least)
{
    if (index >= count) return 0;
    const float score = scores[index];
    return score > least ? key(score, index) : 0;
}

extern "C" __global__ void __launch_bounds__(THREADS) suppress_boxes(
    const float4* __restrict__ boxes, const float* __restrict__ scores, const int* __restrict__ classes,
    const long long* __restrict__ offsets, long long* __restrict__ indices, int* __restrict__ counts,
    const Limits limits)
{
    __shared__ Key keys[2 * CAPACITY];
    __shared__ float4 corners[CAPACITY];
    __shared__ int kinds[CAPACITY];
    __shared__ bool alive[CAPACITY];
    __shared__ int candidates;
    const int me = threadIdx.x;
    const long long begin = offsets[blockIdx.x], end = offsets[blockIdx.x + 1];
    // Offsets come from outside: an image whose boxes do not lie inside `boxes` has none.
    const bool inside = begin >= 0 && begin <= end && end <= limits.total && end - begin <= 0x7fffffff - CAPACITY;
    const int count = inside ? (int)(end - begin) : 0;
    const float* mine = scores + (inside ? begin : 0);

    for (int i = me; i < 2 * CAPACITY; i += THREADS) keys[i] = candidate(mine, i, count, limits.score);
    int size = 2 * CAPACITY;
    while (size / 2 >= count && size > 2) size /= 2;
    sort(keys, size);
    for (int next = 2 * CAPACITY; next < count; next += CAPACITY) {
        const Key worst = keys[CAPACITY - 1];
        bool better = false;
        for (int i = me; i < CAPACITY; i += THREADS) {
            const Key fresh = candidate(mine, next + i, count, limits.score);
            keys[CAPACITY + i] = fresh;
            better = better || fresh > worst;
        }
        if (__syncthreads_or(better)) sort(keys, 2 * CAPACITY);
    }

    if (me == 0) candidates = 0;
    __syncthreads();
    for (int i = me; i < CAPACITY; i += THREADS) {
        if (keys[i] == 0) continue;
        if (i + 1 == CAPACITY || keys[i + 1] == 0) candidates = i + 1; // of one thread
        const long long from = begin + index_of(keys[i]);
        corners[i] = boxes[from];
        kinds[i] = classes[from];
        alive[i] = true;
    }
    __syncthreads();

    int kept = 0;
    long long* row = indices + (long long)blockIdx.x * limits.most;
    for (int i = 0; i < candidates && kept < limits.most; ++i) {
        if (!alive[i]) continue;
        if (me == 0) row[kept] = index_of(keys[i]);
        ++kept;
        for (int j = i + 1 + me; j < candidates; j += THREADS)
            if (kinds[j] == kinds[i] && covers(corners[i], corners[j], limits.overlap)) alive[j] = false;
        __syncthreads();
    }
    if (me == 0) counts[blockIdx.x] = kept;
    for (int i = kept + me; i < limits.most; i += THREADS) row[i] = -1;
}
