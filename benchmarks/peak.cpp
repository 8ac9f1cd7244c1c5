// What this machine's cores can do at best: fused multiply-adds of float32 on registers alone.
// Returns billions of operations per second.
#include <chrono>

typedef float V __attribute__((vector_size(BYTES)));

extern "C" double peak(int threads, long rounds) {
    const auto start = std::chrono::steady_clock::now();
    volatile float seen = 0;
    #pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int s = 0; s < threads; s++) {
        V scale = (V){} + 0.999f, step = (V){} + 0.001f;
        asm volatile("" : "+v"(scale), "+v"(step));
        // Enough sums to hide the latency of each, few enough for 16 registers.
        V a = step, b = a + step, c = b + step, d = c + step, e = d + step, f = e + step;
        V g = f + step, h = g + step, i = h + step, j = i + step, k = j + step, l = k + step;
        for (long n = 0; n < rounds; n++) {
            a = a * scale + step, b = b * scale + step, c = c * scale + step, d = d * scale + step;
            e = e * scale + step, f = f * scale + step, g = g * scale + step, h = h * scale + step;
            i = i * scale + step, j = j * scale + step, k = k * scale + step, l = l * scale + step;
        }
        seen = (a + b + c + d + e + f + g + h + i + j + k + l)[0];
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    return 2e-9 * 12 * (BYTES / 4) * rounds * threads / taken.count();
}
