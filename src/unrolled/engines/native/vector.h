// Vectors of LANES numbers and functions of them, in the compiler's own vector types: no headers,
// so that a kernel compiles in a fraction of a second, and no -ffast-math, so that NaN stays NaN.
//
// The generated source defines before this text: REAL (float or double), INT (an integer of the
// same size), LANES, DOUBLE and HALF (0 or 1).
//
// exp, expm1, log, log1p, tanh and sigmoid are polynomials, within 4 units in the last place of
// the exact value over their whole range, subnormal results included. After Cody and Waite,
// "Software Manual for the Elementary Functions", 1980: reduce the argument by multiples of
// log(2) kept in two parts, then a Taylor polynomial on [-log(2)/2, log(2)/2].

typedef REAL V __attribute__((vector_size(LANES * sizeof(REAL))));
typedef INT M __attribute__((vector_size(LANES * sizeof(REAL))));

#define INLINE static inline __attribute__((always_inline))
// A loop over a few numbers known to the compiler: as it is, or written out, so that what it indexes
// stays in registers.
#define FOR(i, n) _Pragma("GCC unroll 1") for (int i = 0; i < (n); i++)
#define EACH(i, n) _Pragma("GCC unroll 32") for (int i = 0; i < (n); i++)

INLINE V splat(REAL a) { return a - (V){}; }
INLINE V load(const REAL *p) { V v; __builtin_memcpy(&v, p, sizeof v); return v; }
INLINE void store(REAL *p, V v) { __builtin_memcpy(p, &v, sizeof v); }
INLINE void store_part(REAL *p, V v, int lanes) { for (int k = 0; k < lanes; k++) p[k] = v[k]; }
INLINE V load_part(const REAL *p, int lanes) { V v = {}; for (int k = 0; k < lanes; k++) v[k] = p[k]; return v; }
INLINE V load_some(const REAL *p, int lanes) { return lanes >= LANES ? load(p) : load_part(p, lanes); }
INLINE void store_some(REAL *p, V v, int lanes) { if (lanes >= LANES) store(p, v); else store_part(p, v, lanes); }
INLINE V pick(M mask, V a, V b) { return mask ? a : b; }
INLINE V truth(M mask) { return pick(mask, splat(1), splat(0)); }

// What products multiply, as it lies in memory and in registers: numbers; or, where HALF says so,
// pairs of neighbours rounded to bfloat16, the even one in the lower half, of which one instruction
// adds both products to a float.
#if HALF
enum { DEEP = 2 };
typedef INT FACTOR;
typedef M F;

// To the nearest of the numbers whose lower half is zero, to the even one between two; NaN stays NaN.
INLINE M upper_half(V a) {
    M bits = (M)a, rounded = bits + 0x7fff + ((bits >> 16) & 1);
    return (a != a ? bits | 0x400000 : rounded) & ~0xffff;
}
INLINE F factors(V even, V odd) { return ((upper_half(even) >> 16) & 0xffff) | upper_half(odd); }
INLINE FACTOR factor(REAL even, REAL odd) { return factors(splat(even), splat(odd))[0]; }
INLINE V multiply_add(F a, F b, V sum) {
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}
// The factors of a row, those of its blocks of LANES numbers from `from` to `to`.
static void pack_row(const REAL *row, long size, REAL *out, long from, long to) {
    typedef short H __attribute__((vector_size(LANES * sizeof(short))));
    for (long j = from * LANES; j < to * LANES; j += LANES) {
        const H h = __builtin_convertvector(upper_half(load_some(row + j, size - j)) >> 16, H);
        __builtin_memcpy((short *)out + j, &h, sizeof h);
    }
}
#else
enum { DEEP = 1 };
typedef REAL FACTOR;
typedef V F;

INLINE F factors(V even, V) { return even; }
INLINE FACTOR factor(REAL even, REAL) { return even; }
INLINE V multiply_add(F a, F b, V sum) { return sum + a * b; }
#endif
INLINE F load_factors(const REAL *p) { F f; __builtin_memcpy(&f, p, sizeof f); return f; }
INLINE void store_factors(REAL *p, F f) { __builtin_memcpy(p, &f, sizeof f); }
INLINE F spread(const REAL *p) { FACTOR f; __builtin_memcpy(&f, p, sizeof f); return f - (F){}; }

#if DOUBLE
#define MANTISSA 52
#define BIAS 1023
#define ROUNDER 6755399441055744.0
#define LN2_HIGH 0.693145751953125
#define LN2_LOW 1.42860682030941723212e-6
#define EXP_LARGEST 709.8
#define EXP_SMALLEST (-746.0)
#else
#define MANTISSA 23
#define BIAS 127
#define ROUNDER 12582912.0f
#define LN2_HIGH 0.693359375f
#define LN2_LOW (-2.12194440e-4f)
#define EXP_LARGEST 89.0f
#define EXP_SMALLEST (-104.0f)
#endif

INLINE V power_of_two(M n) { return (V)((n + BIAS) << MANTISSA); }

// a = n log(2) + rest, and exp(rest) - 1.
INLINE V exp_rest(V a, V *n) {
    // Adding and taking away 1.5 * 2^MANTISSA rounds to the nearest whole number.
    V whole = (a * (REAL)1.44269504088896340736 + (REAL)ROUNDER) - (REAL)ROUNDER;
    V r = (a - whole * (REAL)LN2_HIGH) - whole * (REAL)LN2_LOW;
    *n = whole;
#if DOUBLE
    V p = splat(1.0 / 6227020800.0);
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
#else
    V p = splat(1.0f / 5040.0f);
#endif
    p = p * r + (REAL)(1.0 / 720.0);
    p = p * r + (REAL)(1.0 / 120.0);
    p = p * r + (REAL)(1.0 / 24.0);
    p = p * r + (REAL)(1.0 / 6.0);
    p = p * r + (REAL)0.5;
    return p * (r * r) + r;
}

INLINE V exp_(V a) {
    a = pick(a > (REAL)EXP_LARGEST, splat((REAL)EXP_LARGEST), a);
    a = pick(a < (REAL)EXP_SMALLEST, splat((REAL)EXP_SMALLEST), a);
    V whole, p = exp_rest(a, &whole) + 1;
    // Two factors: 2^n itself may overflow, or be subnormal, where the result is not yet.
    M n = __builtin_convertvector(whole, M), half = n >> 1;
    return p * power_of_two(half) * power_of_two(n - half);
}

INLINE V expm1_(V a) {
    V high = pick(a > (REAL)EXP_LARGEST, splat((REAL)EXP_LARGEST), a);
    // Below this the result is -1 to the last place.
    V b = pick(high < (REAL)-40, splat((REAL)-40), high);
    V whole, p = exp_rest(b, &whole);
    M n = __builtin_convertvector(whole, M), half = n >> 1;
    V first = power_of_two(half), second = power_of_two(n - half);
    V small = p * power_of_two(n) + (power_of_two(n) - 1);
    V large = (p + 1) * first * second - 1;
    return pick(whole < (REAL)30, small, large);
}

INLINE V tanh_(V a) {
    // tanh(a) = e / (e + 2) with e = exp(2 a) - 1, which keeps the digits of a small a. Beyond the
    // bound it is 1 to the last place.
    V b = a + a;
    b = pick(b > (REAL)44, splat((REAL)44), b);
    b = pick(b < (REAL)-44, splat((REAL)-44), b);
    V whole, p = exp_rest(b, &whole);
    V scale = power_of_two(__builtin_convertvector(whole, M));
    V e = p * scale + (scale - 1);
    return e / (e + 2);
}

INLINE V abs_(V a) { return (V)((M)a & ~((M){} + (INT)1 << (sizeof(REAL) * 8 - 1))); }

INLINE V sigmoid_(V a) {
    // exp of minus the size never overflows, and keeps the digits of a small result.
    V e = exp_(-abs_(a)), s = 1 / (1 + e);
    return pick(a < 0, e * s, s);
}

INLINE V log_(V a) {
    // Subnormal arguments are scaled up by a power of two that is taken off again.
    M small = a < (DOUBLE ? (REAL)2.2250738585072014e-308 : (REAL)1.17549435e-38);
    V b = pick(small, a * (REAL)((INT)1 << MANTISSA), a);
    M bits = (M)b;
    M n = ((bits >> MANTISSA) & (2 * BIAS + 1)) - BIAS;
    V m = (V)((bits & (((INT)1 << MANTISSA) - 1)) | ((INT)BIAS << MANTISSA));
    M high = m > (REAL)1.41421356237309504880;
    m = pick(high, m * (REAL)0.5, m);
    V exponent = __builtin_convertvector(n - high, V) - pick(small, splat(MANTISSA), splat(0));
    V f = m - 1, s = f / (m + 1), z = s * s;
#if DOUBLE
    V p = splat(2.0 / 23);
    p = p * z + 2.0 / 21;
    p = p * z + 2.0 / 19;
    p = p * z + 2.0 / 17;
    p = p * z + 2.0 / 15;
    p = p * z + 2.0 / 13;
    p = p * z + 2.0 / 11;
    p = p * z + 2.0 / 9;
#else
    V p = splat(2.0f / 9);
#endif
    p = p * z + (REAL)(2.0 / 7);
    p = p * z + (REAL)(2.0 / 5);
    p = p * z + (REAL)(2.0 / 3);
    p = p * z;
    // log(m) = f - s (f - p) keeps the digits of f.
    V y = exponent * (REAL)LN2_HIGH + (f - (s * (f - p) - exponent * (REAL)LN2_LOW));
    V infinite = splat((REAL)__builtin_inf()), none = splat((REAL)__builtin_nan(""));
    y = pick(a == infinite, a, y);
    y = pick(a == 0, -infinite, y);
    return pick((a < 0) | (a != a), none, y);
}

INLINE V log1p_(V a) {
    // The rounding of 1 + a is taken back by the factor a / ((1 + a) - 1).
    V u = a + 1, d = u - 1;
    V y = log_(u) * (a / d);
    y = pick(d == 0, a, y);
    return pick(u == splat((REAL)__builtin_inf()), u, y);
}

#define BY_LANE(NAME, CALL) \
    INLINE V NAME(V a) { V y; for (int k = 0; k < LANES; k++) y[k] = (REAL)CALL; return y; }
#if DOUBLE
BY_LANE(sqrt_, __builtin_sqrt(a[k]))
BY_LANE(sin_, __builtin_sin(a[k]))
BY_LANE(cos_, __builtin_cos(a[k]))
BY_LANE(erf_, __builtin_erf(a[k]))
INLINE V pow_(V a, V b) { V y; for (int k = 0; k < LANES; k++) y[k] = __builtin_pow(a[k], b[k]); return y; }
#else
BY_LANE(sqrt_, __builtin_sqrtf(a[k]))
BY_LANE(sin_, __builtin_sinf(a[k]))
BY_LANE(cos_, __builtin_cosf(a[k]))
BY_LANE(erf_, __builtin_erff(a[k]))
INLINE V pow_(V a, V b) { V y; for (int k = 0; k < LANES; k++) y[k] = __builtin_powf(a[k], b[k]); return y; }
#endif

INLINE V relu_(V a) { return pick(a <= 0, splat(0), a); }
INLINE V sign_(V a) { return pick(a > 0, splat(1), pick(a < 0, splat(-1), a)); }
INLINE V maximum_(V a, V b) { return pick(a != a, a, pick((a > b), a, b)); }
INLINE V minimum_(V a, V b) { return pick(a != a, a, pick((a < b), a, b)); }
