// A number and its index as one 64-bit key, so that their order is total: the larger number first, NaN before all
// numbers, 0 and -0 equal, the smaller index first among equals.

typedef unsigned long long Key; // 0: nothing

__device__ inline Key key(float number, unsigned int index)
{
    const unsigned int bits = __float_as_uint(number + 0.0f); // -0 is 0
    unsigned int order = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    if (number != number) order = 0xffffffffu;
    return (Key)order << 32 | (0xffffffffu - index);
}

__device__ inline unsigned int index_of(Key key) { return 0xffffffffu - (unsigned int)key; }

__device__ inline float number_of(Key key)
{
    const unsigned int order = (unsigned int)(key >> 32);
    return __uint_as_float(order & 0x80000000u ? order & 0x7fffffffu : ~order); // 0xffffffff is NaN
}
