// What every kernel shares: how threads part the work, reductions of a vector, packing of weights,
// and the product that makes the gradient of a matrix from many steps at once.

extern "C" int omp_get_thread_num(void) noexcept;
extern "C" int omp_get_num_threads(void) noexcept;

// The threads of a run. They part the batch, so that inside the loop over time none waits for
// another; or, where there are fewer samples than threads, the entries of every vector, and wait
// for each other after each stage.
struct Team {
    long B, threads, by_entries;
    // Of this thread: its number, that of all, its samples, its part of the entries.
    long me, team, first, last, part, parts;

    void enlist() {
        me = omp_get_thread_num(), team = omp_get_num_threads();
        first = by_entries ? 0 : B * me / team;
        last = by_entries ? B : B * (me + 1) / team;
        part = by_entries ? me : 0, parts = by_entries ? team : 1;
    }
    // Its part of n blocks of entries.
    int from(long n) const { return n * part / parts; }
    int to(long n) const { return n * (part + 1) / parts; }
    bool is_last() const { return part == parts - 1; }
    // Until all have written what others read in the next stage.
    void wait() const { if (parts > 1) wait_for_all(); }
    void wait_for_all() const {
        if (team > 1) {
            #pragma omp barrier
        }
    }
};

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

static void clear(REAL *p, long count) {
    for (long k = 0; k < count; k++) p[k] = 0;
}

// Up to LANES numbers that lie `stride` apart, and zeros.
INLINE V entries(const REAL *p, long stride, long count) {
    if (count == LANES && stride == 1) return load(p);
    V v = {};
    for (long i = 0; i < (count == LANES ? LANES : count); i++) v[i] = p[i * stride];
    return v;
}

// One column of a stage's weights: a matrix [rows, columns] with strides, as factors, into panels of
// `units` blocks of LANES rows, [panel][column][of `width` columns, this the number `at`][unit].
// `panel` is the length of a panel for one unit, `skip` where this phase starts in it.
static void pack(const Team &a, const REAL *matrix, REAL *out, long row_stride, long column_stride,
                 long rows, long columns, long panel, long skip, long units, long width, long at) {
    const long blocks = (rows + LANES - 1) / LANES, panels = (blocks + units - 1) / units;
    for (long p = panels * a.me / a.team; p < panels * (a.me + 1) / a.team; p++) {
        const long here = blocks - p * units < units ? blocks - p * units : units;
        for (long u = 0; u < here; u++) {
            const long row = (p * units + u) * LANES;
            const long count = rows - row < LANES ? rows - row : LANES;
            const REAL *from = matrix + row * row_stride;
            REAL *to = out + p * panel * units * LANES + (skip * here + at * here + u) * LANES;
            const long step = width * here * LANES;
            for (long k = 0; k < columns; k += DEEP, from += DEEP * column_stride, to += step) {
                const V even = entries(from, row_stride, count);
                const bool single = DEEP == 1 || k + 1 == columns;
                store_factors(to, factors(even, single ? splat(0) : entries(from + column_stride, row_stride, count)));
            }
        }
    }
}

// A vector added to another.
static void add(const REAL *from, REAL *to, long stride, long size) {
    for (long k = 0; k < size; k++) to[k] += from[k * stride];
}

// The steps that a product of gradients takes at once: rows (t - low) * width + b - first.
struct Steps { long low, high, first, width; };

// `rows` neighbours among the rows of the left side, from entry `start` on.
struct Left { long start, rows; };

// A right side: rows [T, B, columns], `time` and `batch` apart.
struct Right { const REAL *rows; long time, batch, columns; };

// The factors of columns `from` to `from + vectors` of the right sides, in blocks of LANES.
static void pack_right(const Right *rights, long from, long vectors, const Steps &s, long r0, int depth, REAL *to) {
    long begin = 0;
    for (; vectors > 0; rights++) {
        const long blocks = (rights->columns + LANES - 1) / LANES;
        for (long v = from - begin; vectors > 0 && v < blocks; v++, from++, vectors--, to += LANES) {
            const long left = rights->columns - v * LANES;
            long t = r0 / s.width, b = r0 - t * s.width;
            const REAL *row = rights->rows + (s.low + t) * rights->time + (s.first + b) * rights->batch + v * LANES;
            for (int k = 0; k < depth; k += DEEP) {
                V v[2] = {};
                for (int i = 0; i < DEEP && k + i < depth; i++) {
                    v[i] = load_some(row, left);
                    row += rights->batch;
                    if (++b == s.width) { b = 0; t++; row += rights->time - s.width * rights->batch; }
                }
                store_factors(to + k / DEEP * WIDE * LANES, factors(v[0], v[1]));
            }
        }
        begin += blocks;
    }
}

// For each tile of HIGH left entries, its products with VECTORS blocks of right entries, added to
// the tile's sums.
template <int VECTORS>
static void add_products(const REAL *high, const REAL *wide, int depth, long tiles, REAL *sums) {
    for (long tile = 0; tile < tiles; tile++, high += BLOCK / DEEP * HIGH, sums += HIGH * VECTORS * LANES) {
        // The sums are needed at the end only: they come from far while the products are made.
        EACH(i, HIGH * VECTORS) __builtin_prefetch(sums + i * LANES, 1);
        V acc[HIGH][VECTORS];
        EACH(i, HIGH) EACH(j, VECTORS) acc[i][j] = splat(0);
        const REAL *a = high, *w = wide;
        for (int k = 0; k < depth; k += DEEP, w += WIDE * LANES, a += HIGH) {
            F v[VECTORS];
            EACH(j, VECTORS) v[j] = load_factors(w + j * LANES);
            EACH(i, HIGH) {
                const F r = spread(a + i);
                EACH(j, VECTORS) acc[i][j] = multiply_add(r, v[j], acc[i][j]);
            }
        }
        EACH(i, HIGH) EACH(j, VECTORS) {
            REAL *to = sums + (i * VECTORS + j) * LANES;
            store(to, load(to) + acc[i][j]);
        }
    }
}

// Factors of the left side in tiles of HIGH, [tile][row][HIGH], by a few rows at a time.
static void pack_left(const REAL *left, long left_row, int depth, const Left *lefts, long count, long from,
                      long tiles, REAL *to) {
    enum { FEW = 8 };
    for (int k0 = 0; k0 < depth; k0 += FEW) {
        const int k1 = depth - k0 < FEW ? depth : k0 + FEW;
        const Left *part = lefts;
        long skip = from * HIGH;
        for (; skip >= part->rows && skip; part++) skip -= part->rows;
        for (long tile = 0; tile < tiles; tile++) {
            REAL *out = to + tile * (BLOCK / DEEP) * HIGH;
            if (part->rows - skip >= HIGH) {
                const REAL *rows = left + part->start + skip;
                for (int k = k0; k < k1; k += DEEP) EACH(v, (HIGH + LANES - 1) / LANES) {
                    // Whole vectors are read, and HIGH of their entries kept: behind a row are others.
                    const int i = v * LANES, here = HIGH - i < LANES ? HIGH - i : LANES;
                    const REAL *even = rows + k * left_row + i;
                    const F f = factors(load(even), k + 1 < k1 ? load(even + left_row) : splat(0));
                    __builtin_memcpy(out + k / DEEP * HIGH + i, &f, here * sizeof(REAL));
                }
                skip += HIGH;
            } else for (int i = 0; i < HIGH; i++) {
                const bool some = (from + tile) * HIGH + i < count;
                if (some && skip == part->rows) { part++; skip = 0; }
                const REAL *column = left + part->start + skip;
                for (int k = k0; k < k1; k += DEEP) {
                    const REAL odd = k + 1 < k1 && some ? column[(k + 1) * left_row] : 0;
                    const FACTOR f = factor(some ? column[k * left_row] : 0, odd);
                    __builtin_memcpy(out + k / DEEP * HIGH + i, &f, sizeof f);
                }
                skip += some;
            }
            if (skip == part->rows && (from + tile + 1) * HIGH < count) { part++; skip = 0; }
        }
    }
}

// sums += left[r, :]' right[r, :] over rows r, where the rows of the left are `left_row` apart,
// `lefts` name some of its entries (`count` of them), and the right sides lie side by side, each
// padded to whole vectors. The sums lie in blocks of WIDE vectors of right entries, [block][left
// entry][vector]. `space` holds what is packed.
static void accumulate(const Team &a, const Steps &s, const REAL *left, long left_row, const Left *lefts,
                       long count, const Right *rights, long vectors, REAL *sums, REAL *space) {
    const long total = (s.high - s.low) * s.width, all = (count + HIGH - 1) / HIGH;
    const long from = a.from(all), tiles = a.to(all) - from;
    REAL *wide = space, *high = space + BLOCK / DEEP * WIDE * LANES;
    for (long r0 = 0; r0 < total && tiles > 0; r0 += BLOCK) {
        const int depth = total - r0 < BLOCK ? total - r0 : BLOCK;
        pack_left(left + r0 * left_row, left_row, depth, lefts, count, from, tiles, high);
        for (long v = 0; v < vectors; v += WIDE) {
            const long here = vectors - v < WIDE ? vectors - v : WIDE;
            pack_right(rights, v, here, s, r0, depth, wide);
            REAL *to = sums + (v * all + from * here) * HIGH * LANES;
            switch (here) {
                case 4: add_products<4>(high, wide, depth, tiles, to); break;
                case 3: add_products<3>(high, wide, depth, tiles, to); break;
                case 2: add_products<2>(high, wide, depth, tiles, to); break;
                default: add_products<1>(high, wide, depth, tiles, to);
            }
        }
    }
}

// totals[:] += the sum of the rows of the left.
static void add_rows(const Team &a, const Steps &s, const REAL *left, long row, REAL *totals) {
    const long total = (s.high - s.low) * s.width, blocks = row / LANES;
    for (long j = a.from(blocks) * LANES; j < a.to(blocks) * LANES; j += LANES) {
        V sum = load(totals + j);
        for (long r = 0; r < total; r++) sum += load(left + r * row + j);
        store(totals + j, sum);
    }
}

// Part of the sums of `count` threads, which lie `apart`, added to the matrix that it belongs to:
// rows and columns from (down, across) on of sums of `all` left entries and `vectors`.
static void deliver(const Team &a, const REAL *sums, long apart, long count, long all, long vectors, long down,
                    long across, long rows, long columns, REAL *to, long row_stride, long column_stride) {
    for (long i = rows * a.me / a.team; i < rows * (a.me + 1) / a.team; i++)
        for (long j = 0; j < columns; j += LANES) {
            const long v = across + j / LANES, block = v / WIDE * WIDE;
            const long wide = vectors - block < WIDE ? vectors - block : WIDE;
            const REAL *from = sums + (block * all + (down + i) * wide + v - block) * LANES;
            V sum = load(from);
            for (long s = 1; s < count; s++) sum += load(from + s * apart);
            REAL *row = to + i * row_stride + j * column_stride;
            if (column_stride == 1 && columns - j >= LANES) store(row, load(row) + sum);
            else for (int k = 0; k < LANES && j + k < columns; k++) row[k * column_stride] += sum[k];
        }
}
