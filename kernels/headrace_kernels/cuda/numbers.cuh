// Numbers that a model may read, written without CUDA's headers: NVRTC then needs no toolkit.
//
// OUTPUT is one of the four kinds; Output holds its bits, and output() rounds a float to it.

// Not 0, which the preprocessor takes for what nobody defined.
#define UINT8 1
#define FLOAT16 2
#define BFLOAT16 3
#define FLOAT32 4

#ifndef HEADRACE_ON_CPU // the tests' shim has its own
__device__ inline unsigned short float16_bits(float value)
{
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

__device__ inline unsigned short bfloat16_bits(float value)
{
    unsigned short bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
#endif

#if OUTPUT == UINT8
typedef unsigned char Output;
__device__ inline Output output(float value) { return (Output)fminf(fmaxf(rintf(value), 0.0f), 255.0f); }
#elif OUTPUT == FLOAT16
typedef unsigned short Output;
__device__ inline Output output(float value) { return float16_bits(value); }
#elif OUTPUT == BFLOAT16
typedef unsigned short Output;
__device__ inline Output output(float value) { return bfloat16_bits(value); }
#elif OUTPUT == FLOAT32
typedef float Output;
__device__ inline Output output(float value) { return value; }
#else
#error "OUTPUT is none of the four kinds"
#endif
