// What every kernel shares: reductions of a vector, packing of weights, and the product that
// makes the gradient of a matrix from all steps at once.

INLINE REAL sum_of(const REAL *p, int size) {
    V s = {};
    int k = 0;
    for (; k + LANES <= size; k += LANES) s += load(p + k);
    s += load_part(p + k, size - k);
    REAL total = 0;
    for (int i = 0; i < LANES; i++) total += s[i];
    return total;
}

INLINE REAL max_of(const REAL *p, int size) {
    REAL largest = p[0];
    for (int k = 1; k < size; k++) largest = p[k] > largest || p[k] != p[k] ? p[k] : largest;
    return largest;
}

// One column of a stage's weights: a matrix [rows, columns] with strides, into panels of
// `units` blocks of LANES rows, [panel][column][of `width` columns, this the number `at`][unit].
// `panel` is the length of a panel for one unit, `skip` where this phase starts in it.
static void pack(const REAL *matrix, REAL *out, long row_stride, long column_stride, long rows,
                 long columns, long panel, long skip, long units, long width, long at) {
    long blocks = (rows + LANES - 1) / LANES;
    for (long p = 0; p * units < blocks; p++) {
        long here = blocks - p * units < units ? blocks - p * units : units;
        REAL *start = out + p * panel * units * LANES + skip * here * LANES;
        for (long u = 0; u < here; u++) for (long i = 0; i < LANES; i++) {
            long row = (p * units + u) * LANES + i;
            REAL *to = start + (at * here + u) * LANES + i;
            const REAL *from = matrix + row * row_stride;
            for (long k = 0; k < columns; k++) to[k * width * here * LANES] = row < rows ? from[k * column_stride] : 0;
        }
    }
}

// A table of the arguments of `pack`, a row for each matrix.
extern "C" void pack_all(const long *t, long count) {
    for (; count > 0; count--, t += 11)
        pack((const REAL *)t[0], (REAL *)t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9], t[10]);
}

// Vectors added to where they go: from, to, stride, size.
extern "C" void add_all(const long *t, long count) {
    for (; count > 0; count--, t += 4) {
        const REAL *from = (const REAL *)t[0];
        REAL *to = (REAL *)t[1];
        for (long k = 0; k < t[3]; k++) to[k] += from[k * t[2]];
    }
}

// The sum over r of left[r, sources]' right[r, columns], r = t * B + b over all steps and samples,
// added to rows of matrices: row m goes to targets[m], its entries `column_stride` apart.
// Rows of the left lie `left_stride` apart; those of the right at t * right_time + b * right_batch.
extern "C" void accumulate(const REAL *left, long left_stride, const REAL *right, long right_time,
                           long right_batch, const long *sources, REAL *const *targets, long T,
                           long B, long column_stride, long rows, long columns, long threads) {
    enum { BLOCK = 256, HIGH = 6, WIDE = 4 * LANES };
    const long total = T * B;
    #pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (long s = 0; s < threads; s++) {
        const long m0 = rows * s / threads, m1 = rows * (s + 1) / threads, tiles = (m1 - m0 + HIGH - 1) / HIGH;
        REAL *packed = (REAL *)__builtin_malloc((BLOCK * WIDE + (tiles * HIGH + 1) * BLOCK) * sizeof(REAL));
        REAL *wide = packed, *high = packed + BLOCK * WIDE;
        for (long r0 = 0; r0 < total; r0 += BLOCK) {
            const int depth = total - r0 < BLOCK ? total - r0 : BLOCK;
            for (int k = 0; k < depth; k++) {
                const REAL *row = left + (r0 + k) * left_stride;
                for (long tile = 0; tile < tiles; tile++) for (int i = 0; i < HIGH; i++) {
                    const long m = m0 + tile * HIGH + i;
                    high[(tile * BLOCK + k) * HIGH + i] = m < m1 ? row[sources[m]] : 0;
                }
            }
            for (long n = 0; n < columns; n += WIDE) {
                const int width = columns - n < WIDE ? columns - n : WIDE;
                for (int k = 0; k < depth; k++) {
                    const long r = r0 + k, t = r / B, b = r - t * B;
                    const REAL *row = right + t * right_time + b * right_batch + n;
                    if (width == WIDE) for (int j = 0; j < 4; j++) store(wide + k * WIDE + j * LANES, load(row + j * LANES));
                    else for (int j = 0; j < WIDE; j++) wide[k * WIDE + j] = j < width ? row[j] : 0;
                }
                for (long tile = 0; tile < tiles; tile++) {
                    V acc[HIGH][4];
                    for (int i = 0; i < HIGH; i++) for (int j = 0; j < 4; j++) acc[i][j] = splat(0);
                    const REAL *a = high + tile * BLOCK * HIGH, *w = wide;
                    for (int k = 0; k < depth; k++, w += WIDE, a += HIGH) {
                        V w0 = load(w), w1 = load(w + LANES), w2 = load(w + 2 * LANES), w3 = load(w + 3 * LANES);
                        for (int i = 0; i < HIGH; i++) {
                            V v = splat(a[i]);
                            acc[i][0] += v * w0; acc[i][1] += v * w1; acc[i][2] += v * w2; acc[i][3] += v * w3;
                        }
                    }
                    for (int i = 0; i < HIGH && m0 + tile * HIGH + i < m1; i++) {
                        REAL *to = targets[m0 + tile * HIGH + i] + n * column_stride;
                        if (width == WIDE && column_stride == 1)
                            for (int j = 0; j < 4; j++) store(to + j * LANES, load(to + j * LANES) + acc[i][j]);
                        else for (int j = 0; j < width; j++) to[j * column_stride] += acc[i][j / LANES][j % LANES];
                    }
                }
            }
        }
        __builtin_free(packed);
    }
}
