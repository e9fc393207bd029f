"""A machine for kernels on the CPU: the shipped .cu files, compiled as C++."""
