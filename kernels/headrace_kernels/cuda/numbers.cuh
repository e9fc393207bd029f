// Kinds of numbers, and conversions, written without CUDA's headers: NVRTC then needs no toolkit.

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

__device__ inline float float16_value(unsigned short bits)
{
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
#endif

__device__ inline float bfloat16_value(unsigned short bits)
{
    return __uint_as_float((unsigned int)bits << 16);
}
