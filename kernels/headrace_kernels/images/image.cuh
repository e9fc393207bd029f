// What both image kernels share: where an image lies, where it goes, and how a pixel is written.
//
// What inner loops do not depend on is no reason for another compilation: it is in Batch.

#include "cuda/output.cuh"
#include "images/pixels.cuh"

#define STRETCH 0
#define LETTERBOX 1
#define CROP 2

#define MAX_SIDE 65535

// What is the same for a whole batch; the launcher's structure of the same name has these fields.
struct Batch {
    long long bytes; // of `pixels`
    long long channel_step, pixel_step; // between elements of the output: its layout
    int fit; // STRETCH, LETTERBOX or CROP
    int height, width; // of the output
    int resize_to; // CROP: what the shorter side becomes
    int reversed; // channels are written in reverse order
    float fill; // the level of what no image covers
    float mean[3], scale[3]; // by channel of the output
    Colours colours; // of a video's pixels
};

// One image, resized to `resized_*`; output pixel (0, 0) is its pixel (top, left), which may be outside of it.
struct Image {
    long long starts[PLANES], stride;
    int height, width; // 0 where there is nothing to read
    int resized_height, resized_width, top, left;
};

// A half is rounded to even, as Pillow and torchvision do it: here, of what is left beside an image in the middle.
__device__ inline int centred(int difference)
{
    const int half = difference >> 1;
    return difference & 1 ? half + (half & 1) : half;
}

__device__ inline int rounded(long long above, long long below)
{
    const int whole = (int)(above / below);
    const long long rest = 2 * (above - whole * below);
    return rest > below || (rest == below && whole & 1) ? whole + 1 : whole;
}

// An image that does not lie inside `pixels` is not read, whatever its sizes say: they come from outside.
__device__ inline Image placed(const long long* offsets, const int* sizes, const Batch& batch, int index)
{
    Image image;
    image.height = sizes[3 * index];
    image.width = sizes[3 * index + 1];
    image.stride = sizes[3 * index + 2];
    const long long h = image.height, w = image.width;
    bool readable = h >= 1 && w >= 1 && h <= MAX_SIDE && w <= MAX_SIDE;
    for (int plane = 0; plane < PLANES; ++plane) {
        image.starts[plane] = offsets[PLANES * index + plane];
        const bool halved = plane > 0;
        const long long rows = halved ? (h + 1) / 2 : h;
        const long long stride = PLANES == 3 && halved ? (image.stride + 1) / 2 : image.stride;
        const long long row = !halved ? w * (PLANES == 1 ? CHANNELS : 1) : (w + 1) / 2 * (PLANES == 2 ? 2 : 1);
        readable = readable && stride >= row && image.starts[plane] >= 0
            && (rows - 1) * stride + row <= batch.bytes - image.starts[plane];
    }
    image.resized_height = batch.height;
    image.resized_width = batch.width;
    if (!readable) {
        image.height = image.width = 0;
    } else if (batch.fit == LETTERBOX) {
        if (w * batch.height >= h * batch.width) {
            image.resized_height = max(1, rounded(h * batch.width, w));
        } else {
            image.resized_width = max(1, rounded(w * batch.height, h));
        }
    } else if (batch.fit == CROP) {
        const long long side = batch.resize_to;
        image.resized_height = (int)(w <= h ? side * h / w : side);
        image.resized_width = (int)(w <= h ? side : side * w / h);
    }
    image.top = centred(image.resized_height - batch.height);
    image.left = centred(image.resized_width - batch.width);
    return image;
}

__device__ inline void store(Output* out, const Batch& batch, int index, int y, int x, const float* levels)
{
    const long long pixels = (long long)batch.height * batch.width;
    Output* first = out + index * pixels * CHANNELS + ((long long)y * batch.width + x) * batch.pixel_step;
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c) {
        const float level = levels[batch.reversed ? CHANNELS - 1 - c : c];
        first[c * batch.channel_step] = output((level - batch.mean[c]) * batch.scale[c]);
    }
}
