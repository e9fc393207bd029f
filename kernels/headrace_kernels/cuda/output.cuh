// What a kernel writes: OUTPUT is one of the kinds, Output holds its bits, output() rounds a float to it.

#include "cuda/numbers.cuh"

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
