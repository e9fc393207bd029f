// The K likeliest classes of each row of logits, and their probabilities: one block a row, one read of it.
//
// Each thread keeps a running softmax and the K best of what it saw; K rounds then find the best of all
// threads' bests. A logit and its class are one key (cuda/keys.cuh). K is known when this is compiled, and the K best
// of a thread are in registers.

#include "cuda/input.cuh"
#include "cuda/keys.cuh"

#define THREADS 256
#define WARPS (THREADS / 32)
#define EVERYONE 0xffffffffu
#define INFINITE __uint_as_float(0x7f800000u)
#define NOT_A_NUMBER __uint_as_float(0x7fffffffu)

// The largest logit so far, and the sum of exp(logit - largest).
struct Sum {
    float largest, total;
};

__device__ inline Sum with(Sum sum, float logit)
{
    if (logit > sum.largest) {
        sum.total = sum.total * expf(sum.largest - logit) + 1.0f;
        sum.largest = logit;
    } else if (logit != -INFINITE) { // which adds nothing; -inf - -inf would be NaN
        sum.total += expf(logit - sum.largest);
    }
    return sum;
}

__device__ inline Sum both(Sum a, Sum b)
{
    Sum sum;
    sum.largest = fmaxf(a.largest, b.largest);
    const float of_a = a.largest == sum.largest ? 1.0f : expf(a.largest - sum.largest);
    const float of_b = b.largest == sum.largest ? 1.0f : expf(b.largest - sum.largest);
    sum.total = a.total * of_a + b.total * of_b;
    return sum;
}

extern "C" __global__ void __launch_bounds__(THREADS, 3) softmax_top_k(
    const Input* __restrict__ logits, float* __restrict__ probabilities, long long* __restrict__ indices,
    const int classes)
{
    __shared__ Sum sums[WARPS];
    __shared__ Key bests[2][WARPS]; // two rounds': one barrier a round is then enough
    const int me = threadIdx.x, lane = me % 32, warp = me / 32;
    const Input* row = logits + (long long)blockIdx.x * classes;

    Key kept[K];
#pragma unroll
    for (int i = 0; i < K; ++i) kept[i] = 0;
    Sum sum;
    sum.largest = -INFINITE;
    sum.total = 0.0f;
#pragma unroll 4
    for (int i = me; i < classes; i += THREADS) {
        const float logit = input(row[i]);
        sum = with(sum, logit);
        const Key fresh = key(logit, i);
        if (fresh <= kept[K - 1]) continue;
        kept[K - 1] = fresh;
#pragma unroll
        for (int j = K - 1; j > 0; --j) {
            if (kept[j] <= kept[j - 1]) continue;
            const Key other = kept[j];
            kept[j] = kept[j - 1];
            kept[j - 1] = other;
        }
    }

#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
        Sum other;
        other.largest = __shfl_xor_sync(EVERYONE, sum.largest, step);
        other.total = __shfl_xor_sync(EVERYONE, sum.total, step);
        sum = both(sum, other);
    }
    if (lane == 0) sums[warp] = sum;

    Key mine = 0; // thread i keeps what round i finds
    for (int round = 0; round < K; ++round) {
        Key best = kept[0];
#pragma unroll
        for (int step = 16; step > 0; step /= 2) best = max(best, __shfl_xor_sync(EVERYONE, best, step));
        if (lane == 0) bests[round & 1][warp] = best;
        __syncthreads();
        for (int i = 0; i < WARPS; ++i) best = max(best, bests[round & 1][i]);
        if (me == round) mine = best;
        if (kept[0] != best) continue;
#pragma unroll
        for (int i = 0; i + 1 < K; ++i) kept[i] = kept[i + 1];
        kept[K - 1] = 0;
    }
    if (me >= K) return;

    Sum all = sums[0]; // written before the first round's barrier
    for (int i = 1; i < WARPS; ++i) all = both(all, sums[i]);
    // As of every infinity in a softmax; written out, for one of them alone would come out as 1.
    if (all.largest == INFINITE) all.total = NOT_A_NUMBER;
    const long long at = (long long)blockIdx.x * K + me;
    probabilities[at] = expf(number_of(mine) - all.largest) / all.total;
    indices[at] = index_of(mine);
}
