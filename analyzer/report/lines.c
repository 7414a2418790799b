/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Paragraphs and tables of plain text that fit into REPORT_COLUMNS. */
#include <string.h>

#include "report/parts.h"

#define TABLE_INDENT 2u
#define NOTE_INDENT  6u
#define NARROWEST    8u /* a shortened column keeps this much */

/* How many bytes of `text` make the next line of at most `columns`: up to a blank if there is
 * one, else as much as fits. */
static size_t line_end(const char *text, size_t length, size_t columns)
{
    size_t fits = utf8_fit(text, length, columns);
    if (fits == length || text[fits] == ' ')
        return fits;
    for (size_t at = fits; at > 0; at--)
        if (text[at - 1] == ' ')
            return at - 1 ? at - 1 : fits;
    return fits;
}

/* No line ends in a blank: mails and patches do not like them. */
static void end_line(struct buffer *out)
{
    while (!out->failed && out->length && out->bytes[out->length - 1] == ' ')
        out->length--;
    buffer_add(out, "\n");
}

void lines_wrap(struct buffer *out, const char *text, unsigned indent)
{
    size_t left = strlen(text);
    do {
        size_t line = line_end(text, left, REPORT_COLUMNS - indent);
        buffer_repeat(out, ' ', indent);
        buffer_bytes(out, text, line);
        end_line(out);
        text += line;
        left -= line;
        while (left && *text == ' ') {
            text++;
            left--;
        }
    } while (left);
}

void table_row(struct table *table, const char *const *cells, const char *note)
{
    for (unsigned i = 0; i < table->count; i++) {
        utf8_add_line(&table->cells, cells[i]);
        buffer_bytes(&table->cells, "", 1);
    }
    buffer_add(&table->cells, words_or(note, ""));
    buffer_bytes(&table->cells, "", 1);
    table->rows++;
}

static size_t string_columns(const char *text)
{
    return utf8_columns(text, strlen(text));
}

/* The columns' widths; the widest names give way until the line fits. */
static void table_widths(const struct table *table, size_t *widths)
{
    const char *cell = table->cells.bytes;
    for (unsigned i = 0; i < table->count; i++)
        widths[i] = strlen(table->columns[i].title);
    for (size_t row = 0; row < table->rows; row++) {
        for (unsigned i = 0; i < table->count; i++, cell += strlen(cell) + 1)
            if (string_columns(cell) > widths[i])
                widths[i] = string_columns(cell);
        cell += strlen(cell) + 1;
    }
    size_t room = REPORT_COLUMNS - TABLE_INDENT - 2 * (table->count - 1), sum = 0;
    for (unsigned i = 0; i < table->count; i++)
        sum += widths[i];
    while (sum > room) {
        unsigned widest = 0;
        for (unsigned i = 1; i < table->count; i++)
            if (widths[i] > widths[widest])
                widest = i;
        if (widths[widest] <= NARROWEST)
            return;
        widths[widest]--;
        sum--;
    }
}

/* A cell of exactly `width` columns; one that is too long loses its middle. */
static void add_cell(struct buffer *out, const char *cell, size_t width, bool right, bool last)
{
    size_t length = strlen(cell), columns = utf8_columns(cell, length);
    size_t pad = columns < width ? width - columns : 0;
    if (right)
        buffer_repeat(out, ' ', pad);
    if (columns <= width) {
        buffer_bytes(out, cell, length);
    } else {
        size_t head = utf8_fit(cell, length, (width - 2) / 2), tail = head;
        while (tail < length && utf8_columns(cell + tail, length - tail) > (width - 1) / 2) {
            size_t used;
            utf8_next(cell + tail, length - tail, &used);
            tail += used;
        }
        buffer_bytes(out, cell, head);
        buffer_add(out, "..");
        buffer_bytes(out, cell + tail, length - tail);
        pad = width - (utf8_columns(cell, head) + 2 + utf8_columns(cell + tail, length - tail));
    }
    if (!right && !last)
        buffer_repeat(out, ' ', pad);
}

void lines_notes(struct buffer *out, const char *note)
{
    while (*note) {
        size_t length = strcspn(note, "\n");
        struct buffer line = {0};
        buffer_bytes(&line, note, length);
        if (!line.failed)
            lines_wrap(out, line.bytes, NOTE_INDENT);
        out->failed = out->failed || line.failed;
        buffer_free(&line);
        note += length + (note[length] == '\n');
    }
}

static void add_titles(const struct table *table, struct buffer *out, const size_t *widths,
                       const struct style *style)
{
    buffer_repeat(out, ' ', TABLE_INDENT);
    buffer_add(out, style->dim);
    for (unsigned i = 0; i < table->count; i++) {
        buffer_add(out, i ? "  " : "");
        add_cell(out, table->columns[i].title, widths[i], table->columns[i].right,
                 i + 1 == table->count);
    }
    buffer_add(out, style->plain);
    buffer_add(out, "\n");
}

void table_end(struct table *table, struct buffer *out, const struct style *style)
{
    size_t widths[TABLE_COLUMNS_MAX];
    if (table->cells.failed)
        out->failed = true;
    if (out->failed || !table->rows)
        goto cleanup;
    table_widths(table, widths);
    if (!table->no_titles)
        add_titles(table, out, widths, style);
    const char *cell = table->cells.bytes;
    for (size_t row = 0; row < table->rows; row++) {
        buffer_repeat(out, ' ', TABLE_INDENT);
        for (unsigned i = 0; i < table->count; i++, cell += strlen(cell) + 1) {
            buffer_add(out, i ? "  " : "");
            add_cell(out, cell, widths[i], table->columns[i].right, i + 1 == table->count);
        }
        end_line(out);
        lines_notes(out, cell);
        cell += strlen(cell) + 1;
    }
cleanup:
    buffer_free(&table->cells);
    table->rows = 0;
}
