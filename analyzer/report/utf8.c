/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * UTF-8 (RFC 3629): what is not valid is replaced, what would act on a terminal is made visible,
 * columns are counted without asking the locale.
 */
#include <string.h>

#include "report/parts.h"

static const char REPLACEMENT[] = "\xEF\xBF\xBD";

uint32_t utf8_next(const char *text, size_t length, size_t *used)
{
    static const uint32_t SMALLEST[5] = {0, 0, 0x80, 0x800, 0x10000}; /* by bytes: no overlong */
    const unsigned char *byte = (const unsigned char *)text;
    *used = 1;
    if (byte[0] < 0x80)
        return byte[0];
    size_t bytes = byte[0] >= 0xF0 ? 4 : byte[0] >= 0xE0 ? 3 : 2;
    if (byte[0] < 0xC2 || byte[0] > 0xF4 || bytes > length)
        return UTF8_BAD;
    uint32_t character = byte[0] & (0x7Fu >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((byte[i] & 0xC0) != 0x80)
            return UTF8_BAD;
        character = character << 6 | (byte[i] & 0x3F);
    }
    if (character < SMALLEST[bytes] || character > 0x10FFFF ||
        (character >= 0xD800 && character <= 0xDFFF))
        return UTF8_BAD;
    *used = bytes;
    return character;
}

/* A control, or a character that turns the direction of writing or divides lines. */
static bool acts_on_terminal(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200E && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static void add(struct buffer *buffer, const char *text, bool line)
{
    size_t length = text ? strlen(text) : 0, used;
    for (size_t at = 0; at < length; at += used) {
        uint32_t character = utf8_next(text + at, length - at, &used);
        bool space = character == '\t' || character == '\n' || character == '\r';
        if (line && space)
            buffer_add(buffer, " ");
        else if (character == UTF8_BAD || (line && acts_on_terminal(character)))
            buffer_add(buffer, REPLACEMENT);
        else
            buffer_bytes(buffer, text + at, used);
    }
    buffer_bytes(buffer, "", 0);
}

void utf8_add(struct buffer *buffer, const char *text)
{
    add(buffer, text, false);
}

void utf8_add_line(struct buffer *buffer, const char *text)
{
    add(buffer, text, true);
}

unsigned utf8_width(uint32_t character)
{
    static const struct {
        uint32_t first, last;
        unsigned width;
    } RANGES[] = {
        {0x0300, 0x036F, 0}, {0x200B, 0x200D, 0}, {0xFE00, 0xFE0F, 0},   {0x1100, 0x115F, 2},
        {0x2E80, 0xA4CF, 2}, {0xAC00, 0xD7A3, 2}, {0xF900, 0xFAFF, 2},   {0xFE30, 0xFE6F, 2},
        {0xFF00, 0xFF60, 2}, {0xFFE0, 0xFFE6, 2}, {0x1F300, 0x1FAFF, 2}, {0x20000, 0x3FFFD, 2},
    };
    for (size_t i = 0; i < sizeof RANGES / sizeof *RANGES; i++)
        if (character >= RANGES[i].first && character <= RANGES[i].last)
            return RANGES[i].width;
    return 1;
}

size_t utf8_columns(const char *text, size_t length)
{
    size_t columns = 0, used;
    for (size_t at = 0; at < length; at += used)
        columns += utf8_width(utf8_next(text + at, length - at, &used));
    return columns;
}

size_t utf8_fit(const char *text, size_t length, size_t columns)
{
    size_t at = 0, used;
    while (at < length) {
        unsigned width = utf8_width(utf8_next(text + at, length - at, &used));
        if (width > columns)
            break;
        columns -= width;
        at += used;
    }
    return at;
}
