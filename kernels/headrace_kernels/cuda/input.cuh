// What a kernel reads: INPUT is one of the kinds of floats, Input holds its bits, input() is its value.

#include "cuda/numbers.cuh"

#if INPUT == FLOAT16
typedef unsigned short Input;
__device__ inline float input(Input bits) { return float16_value(bits); }
#elif INPUT == BFLOAT16
typedef unsigned short Input;
__device__ inline float input(Input bits) { return bfloat16_value(bits); }
#elif INPUT == FLOAT32
typedef float Input;
__device__ inline float input(Input value) { return value; }
#else
#error "INPUT is none of the three kinds of floats"
#endif
