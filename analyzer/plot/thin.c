/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Merging samples by the cells of the picture they fall on. */
#include "plot/thin.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define WORDS (THIN_ROWS_MAX / 64 + 1)

/* Strokes of a column beyond this many are joined over the smallest holes between them. */
#define STROKES_MAX 8u

struct stroke {
    uint32_t low, high; /* rows, both within */
};

/* The column being filled, and where the pen was left in the one before. */
struct column {
    uint64_t rows[WORDS];
    uint32_t index;
    uint32_t first_low, last_high; /* rows of its first and last sample */
    int64_t first_ns, last_ns;
    bool filled;
    bool pen; /* an earlier column was drawn */
    uint32_t pen_column, pen_row;
    int64_t pen_ns;
    bool pen_down; /* the path ends at pen_column, pen_row */
};

static bool append(struct thin_path *path, uint32_t column, uint32_t row, bool move)
{
    struct thin_vertex *vertex = ARRAY_PUSH(path->vertices, path->count, path->capacity);
    if (!vertex)
        return false;
    *vertex = (struct thin_vertex){(uint16_t)column, (uint16_t)row, move};
    return true;
}

void thin_free(struct thin_path *path)
{
    free(path->vertices);
    *path = (struct thin_path){0};
}

static bool within(const struct axis *time, const struct plot_sample *sample, unsigned kinds)
{
    return sample->kind < PLOT_KINDS && (kinds & KIND_BIT(sample->kind)) &&
           sample->time_ns >= time->from && sample->time_ns <= time->to;
}

static uint32_t cell_of(const struct axis *axis, int64_t value, uint32_t cells)
{
    uint32_t cell = (uint32_t)(axis_part(axis, value) * cells);
    return cell < cells ? cell : cells - 1;
}

static uint32_t column_of(const struct thin_grid *grid, const struct plot_sample *sample)
{
    return cell_of(&grid->time, sample->time_ns, grid->columns);
}

/* The rows a sample's bytes lie on; false: none of them. */
static bool rows_of(const struct thin_grid *grid, const struct plot_sample *sample,
                    struct stroke *rows)
{
    int64_t end = sample_end(sample);
    if (end < grid->offset.from || sample->offset > grid->offset.to)
        return false;
    rows->low = cell_of(&grid->offset, sample->offset, grid->rows);
    rows->high = cell_of(&grid->offset, end, grid->rows);
    return true;
}

static void set_rows(uint64_t *bits, struct stroke rows)
{
    for (uint32_t row = rows.low; row <= rows.high;) {
        uint32_t bit = row % 64;
        uint32_t count = rows.high - row + 1 < 64 - bit ? rows.high - row + 1 : 64 - bit;
        uint64_t mask = count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
        bits[row / 64] |= mask << bit;
        row += count;
    }
}

static bool row_set(const uint64_t *bits, uint32_t row)
{
    return bits[row / 64] >> (row % 64) & 1;
}

/* Makes room for one more stroke where the hole between two is smallest. */
static void join_closest(struct stroke *strokes, uint32_t *count)
{
    uint32_t best = 1;
    for (uint32_t i = 2; i < *count; i++)
        if (strokes[i].low - strokes[i - 1].high < strokes[best].low - strokes[best - 1].high)
            best = i;
    strokes[best - 1].high = strokes[best].high;
    memmove(&strokes[best], &strokes[best + 1], (*count - best - 1) * sizeof *strokes);
    --*count;
}

static uint32_t find_strokes(const uint64_t *bits, uint32_t rows, struct stroke *strokes)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (!bits[row / 64]) {
            row |= 63;
            continue;
        }
        if (!row_set(bits, row))
            continue;
        if (count > 0 && strokes[count - 1].high + 1 == row) {
            strokes[count - 1].high = row;
            continue;
        }
        if (count == STROKES_MAX)
            join_closest(strokes, &count);
        strokes[count++] = (struct stroke){row, row};
    }
    return count;
}

/* The level line from the column before, when there is no missing data between. */
static bool join_column(const struct thin_grid *grid, struct column *column, struct thin_path *path)
{
    uint32_t entry = column->first_low;
    bool level = entry <= column->pen_row + 1 && entry + 2 >= column->pen_row;
    uint64_t silent = (uint64_t)column->first_ns - (uint64_t)column->pen_ns;
    bool near = column->first_ns >= column->pen_ns && silent <= (uint64_t)grid->silence_ns;
    if (!column->pen || !level || !near) {
        column->pen_down = false;
        return true;
    }
    if (!column->pen_down && !append(path, column->pen_column, column->pen_row, true))
        return false;
    column->pen_down = true;
    return append(path, column->index, column->pen_row, false);
}

/* Draws a stroke that goes on from the pen's place, if that is its lower end or within it. */
static bool draw_last(struct column *column, struct stroke stroke, struct thin_path *path)
{
    bool goes_on =
        column->pen_down && column->pen_row >= stroke.low && column->pen_row <= stroke.high + 1;
    if ((!goes_on || column->pen_row != stroke.low) &&
        !append(path, column->index, stroke.low, !goes_on))
        return false;
    return append(path, column->index, stroke.high + 1, false);
}

/* The stroke the last sample is in comes last: from there the line goes on. */
static bool flush_column(const struct thin_grid *grid, struct column *column,
                         struct thin_path *path)
{
    if (!column->filled)
        return true;
    struct stroke strokes[STROKES_MAX] = {{0, 0}};
    uint32_t count = find_strokes(column->rows, grid->rows, strokes);
    uint32_t last = 0;
    for (uint32_t i = 0; i < count; i++)
        if (strokes[i].low <= column->last_high && column->last_high <= strokes[i].high)
            last = i;
    if (!join_column(grid, column, path))
        return false;
    bool continued = column->pen_down && column->pen_row >= strokes[last].low &&
                     column->pen_row <= strokes[last].high + 1;
    for (uint32_t i = 0; i < count; i++) {
        if (i == last)
            continue;
        if (!append(path, column->index, strokes[i].low, true) ||
            !append(path, column->index, strokes[i].high + 1, false))
            return false;
        continued = false;
    }
    column->pen_down = continued;
    if (!draw_last(column, strokes[last], path))
        return false;
    column->pen_down = true;
    column->pen = true;
    column->pen_column = column->index;
    column->pen_row = strokes[last].high + 1;
    column->pen_ns = column->last_ns;
    column->filled = false;
    memset(column->rows, 0, sizeof column->rows);
    return true;
}

bool thin_ranges(const struct thin_grid *grid, const struct plot_point *point, unsigned kinds,
                 struct thin_path *path)
{
    struct column column = {0};
    for (uint32_t i = 0; i < point->sample_count; i++) {
        const struct plot_sample *sample = &point->samples[i];
        struct stroke rows;
        if (!within(&grid->time, sample, kinds) || !rows_of(grid, sample, &rows))
            continue;
        uint32_t index = column_of(grid, sample);
        if (column.filled && index != column.index && !flush_column(grid, &column, path))
            return false;
        if (!column.filled) {
            column.index = index;
            column.first_low = rows.low;
            column.first_ns = sample->time_ns;
            column.filled = true;
        }
        set_rows(column.rows, rows);
        column.last_high = rows.high;
        column.last_ns = sample->time_ns;
    }
    return flush_column(grid, &column, path);
}

/* What a level did within a column. */
struct level {
    uint32_t column, first, last, low, high;
    int64_t first_ns, last_ns;
    bool filled;
};

/* Level to the column, then over its lowest and highest to where it ended. */
static bool append_level(const struct thin_grid *grid, const struct level *before,
                         const struct level *now, struct thin_path *path)
{
    bool joined = before->filled && now->first_ns >= before->last_ns &&
                  (uint64_t)now->first_ns - (uint64_t)before->last_ns <= (uint64_t)grid->silence_ns;
    uint32_t at = joined ? before->last : now->first;
    if (!append(path, now->column, at, !joined))
        return false;
    const uint32_t turns[] = {now->first, now->low, now->high, now->last};
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        if (turns[i] == at)
            continue;
        at = turns[i];
        if (!append(path, now->column, at, false))
            return false;
    }
    /* A level seen but once is a short dash. */
    return joined || at != now->first || append(path, now->column + 1, at, false);
}

bool thin_levels(const struct thin_grid *grid, const struct plot_point *point, unsigned kind,
                 struct thin_path *path)
{
    struct level before = {0}, now = {0};
    for (uint32_t i = 0; i < point->sample_count; i++) {
        const struct plot_sample *sample = &point->samples[i];
        if (!within(&grid->time, sample, KIND_BIT(kind)))
            continue;
        bool shown = sample->offset >= grid->offset.from && sample->offset <= grid->offset.to;
        uint32_t column = column_of(grid, sample);
        uint32_t row = cell_of(&grid->offset, sample->offset, grid->rows);
        if (now.filled && (column != now.column || !shown)) {
            if (!append_level(grid, &before, &now, path))
                return false;
            before = now;
            now.filled = false;
        }
        if (!shown) {
            before.filled = false;
            continue;
        }
        if (!now.filled)
            now = (struct level){column, row, row, row, row, sample->time_ns, 0, true};
        now.last = row;
        now.last_ns = sample->time_ns;
        now.low = row < now.low ? row : now.low;
        now.high = row > now.high ? row : now.high;
    }
    return !now.filled || append_level(grid, &before, &now, path);
}

bool thin_marks(const struct thin_grid *grid, const struct plot_point *point, unsigned kind,
                uint32_t columns, uint32_t rows, struct thin_path *path)
{
    uint32_t across = grid->columns / columns + 1;
    uint32_t down = grid->rows / rows + 1;
    uint8_t *taken = calloc(across, down);
    bool ok = taken != NULL;
    for (uint32_t i = 0; ok && i < point->sample_count; i++) {
        const struct plot_sample *sample = &point->samples[i];
        struct stroke range;
        if (!within(&grid->time, sample, KIND_BIT(kind)) || !rows_of(grid, sample, &range))
            continue;
        uint32_t column = column_of(grid, sample);
        uint32_t row = (range.low + range.high) / 2;
        uint8_t *seen = &taken[(size_t)(row / rows) * across + column / columns];
        if (!*seen)
            ok = append(path, column, row, true);
        *seen = 1;
    }
    free(taken);
    return ok;
}

void thin_activity(const struct thin_grid *grid, const struct plot_point *point, uint8_t *seen)
{
    memset(seen, 0, grid->columns);
    for (uint32_t i = 0; i < point->sample_count; i++) {
        const struct plot_sample *sample = &point->samples[i];
        if (within(&grid->time, sample, UINT32_MAX))
            seen[column_of(grid, sample)] |= (uint8_t)KIND_BIT(sample->kind);
    }
}

bool thin_extent(const struct axis *time, const struct plot_point *point, unsigned kinds,
                 int64_t *low, int64_t *high)
{
    bool found = false;
    for (uint32_t i = 0; i < point->sample_count; i++) {
        const struct plot_sample *sample = &point->samples[i];
        if (!within(time, sample, kinds))
            continue;
        int64_t end = sample_end(sample);
        *low = !found || sample->offset < *low ? sample->offset : *low;
        *high = !found || end > *high ? end : *high;
        found = true;
    }
    return found;
}
