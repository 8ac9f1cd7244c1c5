// An LSTM written by hand, forward and backward, as a measuring stick for the kernels that the native
// engine generates: float32, AVX-512, hidden_size a multiple of 64, no lengths, no masks; compiled
// with -ffast-math, which the engine does not allow itself.
//   B batch, T time, I inputs, H hidden units, K = I + H, P = H / 16 panels of 16 hidden units (one AVX-512 register)
//   x [T][B][I]   h, c [T+1][B][H]   gates, dgates [T][B][P][4][16]
//   weights packed [P][K][4][16]: for each panel, for each k, the 16 weights of i, f, g, o side by side
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <omp.h>

typedef float f16 __attribute__((vector_size(64)));
typedef int i16 __attribute__((vector_size(64)));

static inline f16 splat(float a) { return a - (f16){}; }
static inline f16 load(const float *p) { f16 v; memcpy(&v, p, 64); return v; }
static inline void store(float *p, f16 v) { memcpy(p, &v, 64); }

static inline f16 exp16(f16 x) {
    x = x > splat(88.f) ? splat(88.f) : x;
    x = x < splat(-87.f) ? splat(-87.f) : x;
    f16 n = x * 1.44269504f;
    f16 r = __builtin_convertvector(__builtin_convertvector(n + (n < splat(0.f) ? splat(-.5f) : splat(.5f)), i16), f16);
    f16 f = x - r * 0.693359375f - r * -2.12194440e-4f;
    f16 p = splat(1.9875691500e-4f);
    p = p * f + 1.3981999507e-3f; p = p * f + 8.3334519073e-3f; p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f; p = p * f + 5.0000001201e-1f;
    return (p * f * f + f + 1.f) * (f16)((__builtin_convertvector(r, i16) + 127) << 23);
}
static inline f16 sigmoid16(f16 x) { return 1.f / (1.f + exp16(-x)); }
static inline f16 tanh16(f16 x) { return 2.f / (1.f + exp16(-2.f * x)) - 1.f; }

// acc[m][g] += row[m][k] * weights[k][g]: the whole engine is this loop. MR x 4 accumulators stay in registers.
template <int MR> static inline const float *product(f16 acc[MR][4], const float *rows, int K, const float *w) {
    for (int k = 0; k < K; k++, w += 64) {
        f16 w0 = *(const f16 *)w, w1 = *(const f16 *)(w + 16), w2 = *(const f16 *)(w + 32), w3 = *(const f16 *)(w + 48);
        for (int m = 0; m < MR; m++) {
            f16 a = splat(rows[m * K + k]);
            acc[m][0] += a * w0; acc[m][1] += a * w1; acc[m][2] += a * w2; acc[m][3] += a * w3;
        }
    }
    return w;
}

// One tile: MR samples x 16 hidden units x 4 gates; input projection, recurrence and pointwise tail in one go.
template <int MR>
static inline void forward_tile(const float *x, int I, const float *h, int H, const float *w, const float *bias,
                                const float *c_in, float *c_out, float *h_out, float *gates, int gates_stride) {
    f16 acc[MR][4];
    for (int g = 0; g < 4; g++) for (int m = 0; m < MR; m++) acc[m][g] = *(const f16 *)(bias + 16 * g);
    product<MR>(acc, h, H, product<MR>(acc, x, I, w));
    for (int m = 0; m < MR; m++) {
        f16 i = sigmoid16(acc[m][0]), f = sigmoid16(acc[m][1]), g = tanh16(acc[m][2]), o = sigmoid16(acc[m][3]);
        f16 c = f * load(c_in + m * H) + i * g;
        store(c_out + m * H, c);
        store(h_out + m * H, o * tanh16(c));
        if (gates) { float *q = gates + m * gates_stride; store(q, i); store(q + 16, f); store(q + 32, g); store(q + 48, o); }
    }
}

#define BY_ROWS(CALL) \
    for (; b + 6 <= b1; b += 6) CALL(6); \
    switch (b1 - b) { case 5: CALL(5); break; case 4: CALL(4); break; case 3: CALL(3); break; case 2: CALL(2); break; case 1: CALL(1); }

extern "C" void forward(const float *x, float *h, float *c, const float *weights, const float *bias, float *gates,
                        int T, int B, int I, int H, int threads) {
    int P = H / 16; size_t K = I + H;
    // Threads split the batch: inside the time loop nobody waits for anybody.
    #pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int s = 0; s < threads; s++) {
        int b0 = (size_t)B * s / threads, b1 = (size_t)B * (s + 1) / threads;
        for (int t = 0; t < T; t++) for (int p = 0; p < P; p++) {
            int b = b0;
            #define TILE(MR) { size_t now = (size_t)t * B + b, next = now + B; \
                forward_tile<MR>(x + now * I, I, h + now * H, H, weights + p * K * 64, bias + p * 64, c + now * H + p * 16, \
                                 c + next * H + p * 16, h + next * H + p * 16, gates ? gates + (now * P + p) * 64 : 0, P * 64); }
            BY_ROWS(TILE)
        }
    }
}

template <int MR> static inline void hidden_gradient_tile(const float *dgates, int K, const float *w, float *out, int H) {
    f16 acc[MR][4];
    for (int m = 0; m < MR; m++) for (int j = 0; j < 4; j++) acc[m][j] = splat(0.f);
    product<MR>(acc, dgates, K, w);
    for (int m = 0; m < MR; m++) for (int j = 0; j < 4; j++) store(out + m * H + 16 * j, acc[m][j]);
}

// dy [T][B][H] in, dgates out; dh, dc [B][H] zero on entry. transposed: recurrent weights packed [H/64][4H][64].
extern "C" void backward(const float *dy, const float *c, const float *gates, float *dgates, const float *transposed,
                         float *dh, float *dc, int T, int B, int H, int threads) {
    int P = H / 16, Q = H / 64, K = 4 * H;
    #pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int s = 0; s < threads; s++) {
        int b0 = (size_t)B * s / threads, b1 = (size_t)B * (s + 1) / threads;
        for (int t = T - 1; t >= 0; t--) {
            for (int b = b0; b < b1; b++) for (int p = 0; p < P; p++) {
                size_t at = ((size_t)t * B + b) * H + p * 16, gate = (((size_t)t * B + b) * P + p) * 64;
                f16 i = load(gates + gate), f = load(gates + gate + 16), g = load(gates + gate + 32), o = load(gates + gate + 48);
                f16 dht = load(dy + at) + load(dh + b * H + p * 16), squashed = tanh16(load(c + at + (size_t)B * H));
                f16 dct = load(dc + b * H + p * 16) + dht * o * (1.f - squashed * squashed);
                store(dgates + gate, dct * g * i * (1.f - i));
                store(dgates + gate + 16, dct * load(c + at) * f * (1.f - f));
                store(dgates + gate + 32, dct * i * (1.f - g * g));
                store(dgates + gate + 48, dht * squashed * o * (1.f - o));
                store(dc + b * H + p * 16, dct * f);
            }
            for (int q = 0; q < Q; q++) {
                int b = b0;
                #define HIDDEN(MR) hidden_gradient_tile<MR>(dgates + ((size_t)t * B + b) * K, K, transposed + (size_t)q * K * 64, dh + b * H + q * 64, H);
                BY_ROWS(HIDDEN)
            }
        }
    }
}

// C [M][N] += A'[M][R] B[R][N]: the deferred weight gradient over all R = T * B rows, packed in blocks.
extern "C" void weight_gradient(const float *A, const float *Bm, float *C, int R, int M, int N, int threads) {
    const int block = 256;
    #pragma omp parallel num_threads(threads)
    {
        int thread = omp_get_thread_num(), m0 = (size_t)M * thread / threads, m1 = (size_t)M * (thread + 1) / threads;
        float *right = (float *)aligned_alloc(64, block * 64 * 4);
        float *left = (float *)aligned_alloc(64, ((size_t)block * 6 * ((M + 5) / 6) * 4 + 63) / 64 * 64);
        for (int r0 = 0; r0 < R; r0 += block) {
            int rows = R - r0 < block ? R - r0 : block, tile = 0;
            for (int m = m0; m < m1; m += 6, tile++) for (int k = 0; k < rows; k++) for (int i = 0; i < 6; i++)
                left[((size_t)tile * block + k) * 6 + i] = m + i < m1 ? A[(size_t)(r0 + k) * M + m + i] : 0;
            for (int n = 0; n < N; n += 64) {
                int columns = N - n < 64 ? N - n : 64;
                for (int k = 0; k < rows; k++) for (int j = 0; j < 64; j++) right[k * 64 + j] = j < columns ? Bm[(size_t)(r0 + k) * N + n + j] : 0;
                tile = 0;
                for (int m = m0; m < m1; m += 6, tile++) {
                    f16 acc[6][4];
                    for (int i = 0; i < 6; i++) for (int j = 0; j < 4; j++) acc[i][j] = splat(0.f);
                    const float *a = left + (size_t)tile * block * 6, *w = right;
                    for (int k = 0; k < rows; k++, w += 64, a += 6) {
                        f16 w0 = *(const f16 *)w, w1 = *(const f16 *)(w + 16), w2 = *(const f16 *)(w + 32), w3 = *(const f16 *)(w + 48);
                        for (int i = 0; i < 6; i++) { f16 v = splat(a[i]); acc[i][0] += v * w0; acc[i][1] += v * w1; acc[i][2] += v * w2; acc[i][3] += v * w3; }
                    }
                    for (int i = 0; i < 6 && m + i < m1; i++) for (int j = 0; j < columns; j++) C[(size_t)(m + i) * N + n + j] += ((float *)acc[i])[j];
                }
            }
        }
        free(right); free(left);
    }
}
