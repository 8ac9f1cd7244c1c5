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

// A right side of the products below: rows [T, B, columns], t * time + b * batch apart, and for
// every row of the left the row of the matrix that it adds to, or none.
struct Right { const REAL *rows; long time, batch, columns, stride; REAL *const *targets; };

// For every right side, the sum over r of left[r, sources]' right[r, columns], r = t * B + b over
// all steps and samples. Rows of the left lie `left_stride` apart. The rows of the result are
// split among the threads; each packs BLOCK steps of the left once for all right sides.
extern "C" void accumulate(const REAL *left, long left_stride, const long *sources, long rows,
                           const Right *rights, long count, long T, long B, long threads) {
    enum { BLOCK = 128, HIGH = 6, WIDE = 4 * LANES };
    const long total = T * B;
    #pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (long s = 0; s < threads; s++) {
        const long tiles_all = (rows + HIGH - 1) / HIGH;
        const long m0 = tiles_all * s / threads * HIGH, end = tiles_all * (s + 1) / threads * HIGH;
        const long m1 = end < rows ? end : rows, tiles = (m1 - m0 + HIGH - 1) / HIGH;
        if (tiles <= 0) continue;
        const long size = (BLOCK * WIDE + tiles * HIGH * BLOCK + LANES) * sizeof(REAL);
        REAL *wide = (REAL *)__builtin_malloc(size), *high = wide + BLOCK * WIDE;
        for (long r0 = 0; r0 < total; r0 += BLOCK) {
            const int depth = total - r0 < BLOCK ? total - r0 : BLOCK;
            for (long tile = 0; tile < tiles; tile++) {
                const long m = m0 + tile * HIGH;
                REAL *to = high + tile * BLOCK * HIGH;
                const REAL *from = left + r0 * left_stride;
                if (m + HIGH <= m1 && sources[m + HIGH - 1] == sources[m] + HIGH - 1)
                    for (int k = 0; k < depth; k++) __builtin_memcpy(to + k * HIGH, from + k * left_stride + sources[m], HIGH * sizeof(REAL));
                else for (int k = 0; k < depth; k++) for (int i = 0; i < HIGH; i++)
                    to[k * HIGH + i] = m + i < m1 ? from[k * left_stride + sources[m + i]] : 0;
            }
            for (long g = 0; g < count; g++) for (long n = 0; n < rights[g].columns; n += WIDE) {
                const Right right = rights[g];
                const int width = right.columns - n < WIDE ? right.columns - n : WIDE;
                long t = r0 / B, b = r0 - t * B;
                for (int k = 0; k < depth; k++) {
                    const REAL *row = right.rows + t * right.time + b * right.batch + n;
                    if (width == WIDE) for (int j = 0; j < 4; j++) store(wide + k * WIDE + j * LANES, load(row + j * LANES));
                    else for (int j = 0; j < WIDE; j++) wide[k * WIDE + j] = j < width ? row[j] : 0;
                    if (++b == B) { b = 0; t++; }
                }
                for (long tile = 0; tile < tiles; tile++) {
                    REAL *const *targets = right.targets + m0 + tile * HIGH;
                    const int here = m1 - m0 - tile * HIGH < HIGH ? m1 - m0 - tile * HIGH : HIGH;
                    bool wanted = false;
                    for (int i = 0; i < here; i++) wanted |= targets[i] != 0;
                    if (!wanted) continue;
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
                    for (int i = 0; i < here; i++) if (targets[i]) {
                        REAL *to = targets[i] + n * right.stride;
                        if (width == WIDE && right.stride == 1)
                            for (int j = 0; j < 4; j++) store(to + j * LANES, load(to + j * LANES) + acc[i][j]);
                        else for (int j = 0; j < width; j++) to[j * right.stride] += acc[i][j / LANES][j % LANES];
                    }
                }
            }
        }
        __builtin_free(wide);
    }
}
