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

// One column of a stage's weights: a matrix [rows, columns] with strides, into panels of
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
            if (count == LANES && row_stride == 1)
                for (long k = 0; k < columns; k++) store(to + k * step, load(from + k * column_stride));
            else if (count == LANES)
                for (long k = 0; k < columns; k++) {
                    V v;
                    for (int i = 0; i < LANES; i++) v[i] = from[i * row_stride + k * column_stride];
                    store(to + k * step, v);
                }
            else
                for (long k = 0; k < columns; k++) for (long i = 0; i < LANES; i++)
                    to[k * step + i] = i < count ? from[i * row_stride + k * column_stride] : 0;
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

enum { BLOCK = 128, HIGH = 6, WIDE = 4 };

// The packed columns `from` to `from + vectors` of the right sides, in blocks of LANES.
static void pack_right(const Right *rights, long from, long vectors, const Steps &s, long r0, int depth, REAL *to) {
    long begin = 0;
    for (; vectors > 0; rights++) {
        const long blocks = (rights->columns + LANES - 1) / LANES;
        for (long v = from - begin; vectors > 0 && v < blocks; v++, from++, vectors--, to += LANES) {
            const long left = rights->columns - v * LANES;
            long t = r0 / s.width, b = r0 - t * s.width;
            const REAL *row = rights->rows + (s.low + t) * rights->time + (s.first + b) * rights->batch + v * LANES;
            for (int k = 0; k < depth; k++) {
                store(to + k * WIDE * LANES, load_some(row, left));
                row += rights->batch;
                if (++b == s.width) { b = 0; t++; row += rights->time - s.width * rights->batch; }
            }
        }
        begin += blocks;
    }
}

template <int VECTORS>
static void add_products(const REAL *high, const REAL *wide, int depth, long tiles, REAL *sums, long row) {
    for (long tile = 0; tile < tiles; tile++, sums += HIGH * row) {
        V acc[HIGH][VECTORS];
        for (int i = 0; i < HIGH; i++) for (int j = 0; j < VECTORS; j++) acc[i][j] = load(sums + i * row + j * LANES);
        const REAL *a = high + tile * BLOCK * HIGH, *w = wide;
        for (int k = 0; k < depth; k++, w += WIDE * LANES, a += HIGH) {
            V v[VECTORS];
            for (int j = 0; j < VECTORS; j++) v[j] = load(w + j * LANES);
            for (int i = 0; i < HIGH; i++) {
                const V r = splat(a[i]);
                for (int j = 0; j < VECTORS; j++) acc[i][j] += r * v[j];
            }
        }
        for (int i = 0; i < HIGH; i++) for (int j = 0; j < VECTORS; j++) store(sums + i * row + j * LANES, acc[i][j]);
    }
}

// sums[i, :] += the sum over rows r of left[r, i] right[r, :], where the rows of the left are
// `left_row` apart, `lefts` name some of its entries (`count` of them), and the right sides lie
// side by side, each padded to whole vectors. `space` holds what is packed.
static void accumulate(const Team &a, const Steps &s, const REAL *left, long left_row, const Left *lefts,
                       long count, const Right *rights, long vectors, REAL *sums, REAL *space) {
    const long total = (s.high - s.low) * s.width, all = (count + HIGH - 1) / HIGH;
    const long from = a.from(all), tiles = a.to(all) - from, row = vectors * LANES;
    REAL *wide = space, *high = space + BLOCK * WIDE * LANES;
    sums += from * HIGH * row;
    for (long r0 = 0; r0 < total && tiles > 0; r0 += BLOCK) {
        const int depth = total - r0 < BLOCK ? total - r0 : BLOCK;
        long part = 0, done = 0;
        for (long m = 0; m < from * HIGH; m++) if (++done == lefts[part].rows) { part++; done = 0; }
        for (long tile = 0; tile < tiles; tile++) {
            long entry[HIGH];
            for (int i = 0; i < HIGH; i++) {
                const bool some = (from + tile) * HIGH + i < count;
                entry[i] = some ? lefts[part].start + done : -1;
                if (some && ++done == lefts[part].rows) { part++; done = 0; }
            }
            const REAL *rows = left + r0 * left_row;
            REAL *to = high + tile * BLOCK * HIGH;
            bool together = true;
            for (int i = 1; i < HIGH; i++) together &= entry[i] == entry[0] + i;
            if (together) for (int k = 0; k < depth; k++) __builtin_memcpy(to + k * HIGH, rows + k * left_row + entry[0], HIGH * sizeof(REAL));
            else for (int k = 0; k < depth; k++) for (int i = 0; i < HIGH; i++)
                to[k * HIGH + i] = entry[i] < 0 ? 0 : rows[k * left_row + entry[i]];
        }
        for (long v = 0; v < vectors; v += WIDE) {
            const long here = vectors - v < WIDE ? vectors - v : WIDE;
            pack_right(rights, v, here, s, r0, depth, wide);
            REAL *to = sums + v * LANES;
            switch (here) {
                case 4: add_products<4>(high, wide, depth, tiles, to, row); break;
                case 3: add_products<3>(high, wide, depth, tiles, to, row); break;
                case 2: add_products<2>(high, wide, depth, tiles, to, row); break;
                default: add_products<1>(high, wide, depth, tiles, to, row);
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

// A part of the sums, added up over `count` threads that lie `apart`, to where it belongs.
static void deliver(const Team &a, const REAL *sums, long apart, long count, long row, long rows, long columns,
                    REAL *to, long row_stride, long column_stride) {
    for (long i = rows * a.me / a.team; i < rows * (a.me + 1) / a.team; i++)
        for (long j = 0; j < columns; j++) {
            REAL sum = sums[i * row + j];
            for (long s = 1; s < count; s++) sum += sums[s * apart + i * row + j];
            to[i * row_stride + j * column_stride] += sum;
        }
}
