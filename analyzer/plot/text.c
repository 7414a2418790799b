/* SPDX-License-Identifier: GPL-3.0-or-later */
/* UTF-8 in, ISO 8859-1 or XML out. */
#include "plot/text.h"

#include <stdbool.h>
#include <string.h>

#define REPLACEMENT 0xfffdu

/* Signs likely in a title that ISO 8859-1 lacks. */
static const struct {
    uint32_t code;
    const char *ascii;
} spellings[] = {
    {0x2010, "-"},  {0x2011, "-"},    {0x2013, "-"},  {0x2014, "-"},   {0x2018, "'"},
    {0x2019, "'"},  {0x201c, "\""},   {0x201d, "\""}, {0x2026, "..."}, {0x2190, "<-"},
    {0x2192, "->"}, {0x2194, "<->"},  {0x21d2, "=>"}, {0x2248, "~"},   {0x2264, "<="},
    {0x2265, ">="}, {0x03bc, "\xb5"},
};

/* How many bytes follow the first one; -1: it starts nothing. */
static int follower_count(unsigned char first)
{
    if (first < 0x80)
        return 0;
    if (first >= 0xc2 && first <= 0xdf)
        return 1;
    if (first >= 0xe0 && first <= 0xef)
        return 2;
    return first >= 0xf0 && first <= 0xf4 ? 3 : -1;
}

uint32_t text_next(const char **cursor)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)*cursor;
    if (!*bytes)
        return 0;
    ++*cursor;
    int followers = follower_count(*bytes);
    if (followers <= 0)
        return followers < 0 ? REPLACEMENT : *bytes;

    uint32_t code = *bytes & (0x3fu >> followers);
    for (int i = 1; i <= followers; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return REPLACEMENT;
        code = code << 6 | (bytes[i] & 0x3fu);
    }
    if (code < least[followers] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return REPLACEMENT;
    *cursor += followers;
    return code;
}

static const char *spelling_of(uint32_t code)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (spellings[i].code == code)
            return spellings[i].ascii;
    return "?";
}

char *text_to_latin1(const char *utf8, char *buffer, size_t size)
{
    size_t used = 0;
    for (uint32_t code; (code = text_next(&utf8));) {
        char one[2] = {(char)code, 0};
        const char *piece = one;
        size_t length = 1;
        if (code < 0x20 || code == 0x7f)
            piece = " ";
        else if ((code >= 0x80 && code < 0xa0) || code > 0xff) {
            piece = spelling_of(code);
            length = strlen(piece);
        }
        if (length + 1 > size - used)
            break;
        memcpy(buffer + used, piece, length);
        used += length;
    }
    buffer[used] = 0;
    return buffer;
}

static void write_utf8(uint32_t code, FILE *stream)
{
    if (code < 0x80) {
        fputc((int)code, stream);
        return;
    }
    static const unsigned lead[] = {0xc0, 0xe0, 0xf0};
    int more = code < 0x800 ? 0 : code < 0x10000 ? 1 : 2;
    int shift = 6 * (more + 1);
    fputc((int)(lead[more] | code >> shift), stream);
    while ((shift -= 6) >= 0)
        fputc((int)(0x80u | (code >> shift & 0x3fu)), stream);
}

void text_write_xml(const char *utf8, FILE *stream)
{
    for (uint32_t code; (code = text_next(&utf8));) {
        if (code == '&')
            fputs("&amp;", stream);
        else if (code == '<')
            fputs("&lt;", stream);
        else if (code == '>')
            fputs("&gt;", stream);
        else if (code >= 0x20 && code != 0xfffe && code != 0xffff)
            write_utf8(code, stream);
    }
}
