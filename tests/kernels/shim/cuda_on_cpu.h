// Enough of CUDA to run a kernel on a CPU, with barriers that hold: each thread of a block is a fibre.
//
// Blocks run one after the other. A fibre runs until it meets a barrier or ends, then the next of its warp does, and a
// warp runs as far as it comes before the next does: a warp that is ahead of others is what a race needs. The order,
// from the first or from the last, is the caller's; what depends on it gives another result in one of them. Threads that
// wait for others which never come end the launch with -1. Shared memory is
// filled with a pattern before each block, so that what was never written is not zero by chance. A read
// outside of a buffer meets a page that cannot be read (the Python side lays buffers against one); that, and what
// -fsanitize=undefined finds, ends the launch with the signal's number.
#pragma once

#define HEADRACE_ON_CPU 1

#include <algorithm>
#include <climits>
#include <cmath>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __launch_bounds__(...)
// All shared memory lies in one section of the library, which the driver can fill.
#define __shared__ static __attribute__((section("cuda_shared")))

struct Dim { unsigned x, y, z; };
struct alignas(16) float4 { float x, y, z, w; };
static Dim threadIdx, blockIdx, blockDim, gridDim;

using std::max;
using std::min;

template <class T> static inline T __ldg(const T* at) { return *at; }

static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift)
{
    return (unsigned)((((std::uint64_t)high << 32) | low) >> (shift & 31));
}

static inline float cospif(float x) { return (float)std::cos(M_PI * (double)x); }

static inline float __uint_as_float(unsigned bits)
{
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}

static inline unsigned __float_as_uint(float value)
{
    unsigned bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}

// To the nearest, a half to even, as the device's conversions; not every compiler's C++ has a type for them.
static inline unsigned short bfloat16_bits(float value)
{
    const unsigned bits = __float_as_uint(value);
    if (value != value) return 0x7fff;
    return (unsigned short)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static inline unsigned short float16_bits(float value)
{
    const unsigned bits = __float_as_uint(value), size = bits & 0x7fffffff, sign = (bits >> 16) & 0x8000;
    if (value != value) return 0x7fff;
    if (size >= 0x47800000) return (unsigned short)(sign | 0x7c00); // 65,536 and more are infinite
    if (size < 0x38800000) // below the smallest normal one steps are 2^-24
        return (unsigned short)(sign | (unsigned)std::nearbyint(std::ldexp(std::fabs(value), 24)));
    return (unsigned short)(sign | ((size + 0xfff + ((size >> 13) & 1) - 0x38000000) >> 13));
}

static inline float float16_value(unsigned short bits)
{
    const unsigned sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31, part = bits & 0x3ff;
    if (exponent == 31) return __uint_as_float(sign | 0x7f800000 | part << 13);
    if (exponent == 0) return (sign ? -1.0f : 1.0f) * std::ldexp((float)part, -24);
    return __uint_as_float(sign | (exponent + 112) << 23 | part << 13);
}

namespace shim {

constexpr std::size_t STACK = 64 << 10;
static char marker __attribute__((section("cuda_shared"), used)); // the section exists without shared memory, too

constexpr unsigned WARP = 32;

// What a fibre waits for.
enum Wait { NOTHING, ITS_WARP, ITS_BLOCK };

struct Fibre {
    ucontext_t start;
    jmp_buf at;
    bool begun, done;
    Wait wait;
    std::uint64_t shown; // to its warp
    std::vector<char> stack = std::vector<char>(STACK);
};

static std::vector<Fibre*> fibres;
static unsigned running;
static jmp_buf scheduler;
static void (*body)();

static void leave() { _longjmp(scheduler, 1); }

static void wait(Wait what)
{
    Fibre& fibre = *fibres[running];
    fibre.wait = what;
    if (!_setjmp(fibre.at)) leave();
}

static void run()
{
    body();
    fibres[running]->done = true;
    leave();
}

static void resume(unsigned thread)
{
    running = thread;
    threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / blockDim.x / blockDim.y};
    if (_setjmp(scheduler)) return;
    Fibre& fibre = *fibres[thread];
    if (fibre.begun) _longjmp(fibre.at, 1);
    fibre.begun = true;
    getcontext(&fibre.start);
    fibre.start.uc_stack.ss_sp = fibre.stack.data();
    fibre.start.uc_stack.ss_size = STACK;
    fibre.start.uc_link = nullptr;
    makecontext(&fibre.start, run, 0);
    setcontext(&fibre.start);
}

static sigjmp_buf fault;
static void on_signal(int number) { siglongjmp(fault, number); }

// If all threads from `first` to `end` that have not ended wait for each other, they wait no more. CUDA lets threads
// end early, and does not wait at a barrier for those that have.
static void release(unsigned first, unsigned end, Wait what)
{
    bool any = false;
    for (unsigned i = first; i < end; ++i) {
        if (fibres[i]->done) continue;
        if (fibres[i]->wait != what) return;
        any = true;
    }
    if (!any) return;
    for (unsigned i = first; i < end; ++i) fibres[i]->wait = NOTHING;
}

// Runs a warp as far as it comes without the others: to a barrier of the block, or its end. Returns whether it moved.
static bool warp(unsigned first, unsigned end, bool backwards)
{
    bool ever = false;
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned i = first; i < end; ++i) {
            const unsigned thread = backwards ? end - 1 - (i - first) : i;
            if (fibres[thread]->done || fibres[thread]->wait != NOTHING) continue;
            resume(thread);
            moved = ever = true;
        }
        release(first, end, ITS_WARP);
    }
    return ever;
}

// Returns false if threads wait for others that never come.
static bool block(bool backwards)
{
    const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
    for (unsigned i = 0; i < threads; ++i) {
        fibres[i]->begun = fibres[i]->done = false;
        fibres[i]->wait = NOTHING;
    }
    const unsigned warps = (threads + WARP - 1) / WARP;
    for (unsigned ended = 0; ended < threads;) {
        bool moved = false;
        ended = 0;
        for (unsigned i = 0; i < warps; ++i) {
            const unsigned first = (backwards ? warps - 1 - i : i) * WARP;
            moved |= warp(first, min(first + WARP, threads), backwards);
        }
        for (unsigned i = 0; i < threads; ++i) ended += fibres[i]->done;
        if (!moved && ended < threads) return false;
        release(0, threads, ITS_BLOCK);
    }
    return true;
}

} // namespace shim

static inline void __syncthreads() { shim::wait(shim::ITS_BLOCK); }

// Whether any thread of the block says so.
static inline int __syncthreads_or(int value)
{
    shim::fibres[shim::running]->shown = value != 0;
    __syncthreads();
    bool any = false;
    for (unsigned i = 0; i < blockDim.x * blockDim.y * blockDim.z; ++i) any = any || shim::fibres[i]->shown;
    __syncthreads();
    return any;
}

// Every lane shows its value, then looks, and shows nothing else before all have looked.
template <class T> static inline T __shfl_xor_sync(unsigned, T value, int mask)
{
    static_assert(sizeof(T) <= 8, "a register or two");
    std::memcpy(&shim::fibres[shim::running]->shown, &value, sizeof(T));
    shim::wait(shim::ITS_WARP);
    std::memcpy(&value, &shim::fibres[shim::running ^ (unsigned)mask]->shown, sizeof(T));
    shim::wait(shim::ITS_WARP);
    return value;
}

extern "C" {
extern char __start_cuda_shared[] __attribute__((visibility("hidden")));
extern char __stop_cuda_shared[] __attribute__((visibility("hidden")));
}

namespace shim {

// Runs a grid; 0, the number of the signal that ended it, or -1.
static int grid(const unsigned* blocks, const unsigned* threads, bool backwards, void (*kernel)())
{
    body = kernel;
    gridDim = {blocks[0], blocks[1], blocks[2]};
    blockDim = {threads[0], threads[1], threads[2]};
    while (fibres.size() < threads[0] * threads[1] * threads[2]) fibres.push_back(new Fibre);
    static char stack[64 << 10];
    stack_t alternative = {}, before_stack;
    alternative.ss_sp = stack;
    alternative.ss_size = sizeof stack;
    sigaltstack(&alternative, &before_stack);
    struct sigaction action = {}, before[4];
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK | SA_NODEFER;
    const int signals[4] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    for (int i = 0; i < 4; ++i) sigaction(signals[i], &action, &before[i]);
    int result = sigsetjmp(fault, 1);
    if (!result) {
        for (unsigned z = 0; z < blocks[2]; ++z)
            for (unsigned y = 0; y < blocks[1]; ++y)
                for (unsigned x = 0; x < blocks[0]; ++x) {
                    std::memset(__start_cuda_shared, 0xa5, __stop_cuda_shared - __start_cuda_shared);
                    blockIdx = {x, y, z};
                    if (!block(backwards)) result = -1;
                }
    }
    for (int i = 0; i < 4; ++i) sigaction(signals[i], &before[i], nullptr);
    sigaltstack(&before_stack, nullptr);
    return result;
}

// Arguments as cuLaunchKernel takes them: an array of addresses of each.
static void** given;
template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), std::index_sequence<I...>)
{
    kernel(*(typename std::remove_const<A>::type*)given[I]...);
}
template <class... A> static void call(void (*kernel)(A...))
{
    call(kernel, std::index_sequence_for<A...>());
}

} // namespace shim

#define SHIM_ENTRY(kernel)                                                                                   \
    extern "C" int launch(const unsigned* blocks, const unsigned* threads, bool backwards, void** arguments) \
    {                                                                                                        \
        shim::given = arguments;                                                                             \
        return shim::grid(blocks, threads, backwards, [] { shim::call(kernel); });                           \
    }
