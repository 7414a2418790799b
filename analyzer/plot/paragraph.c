/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Breaking text at blanks. */
#include "plot/paragraph.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX 512

/* A unit ("s.") is not torn from its number. */
static bool begins_short_word(const char *text)
{
    size_t blanks = strspn(text, " "), length = strcspn(text + blanks, " ");
    return length > 0 && length < 3;
}

/* The bytes of the longest beginning of `text`, whole words, that fits; 0: not even one does. */
static size_t line_length(struct canvas *canvas, const struct canvas_text *how, const char *text,
                          double width)
{
    size_t fits = 0;
    for (size_t end = 0; text[end] && end < LINE_MAX;) {
        char line[LINE_MAX];
        end += strspn(text + end, " ");
        end += strcspn(text + end, " ");
        if (end >= sizeof line)
            break;
        snprintf(line, sizeof line, "%.*s", (int)end, text);
        if (canvas_width(canvas, how, line) > width)
            break;
        if (!begins_short_word(text + end))
            fits = end;
    }
    return fits;
}

uint32_t paragraph_write(struct canvas *canvas, const struct canvas_text *how, double x, double y,
                         double width, double line_px, uint32_t most, const char *text, bool draw)
{
    uint32_t lines = 0;
    do {
        char line[LINE_MAX];
        size_t length = line_length(canvas, how, text, width);
        bool last = ++lines >= most || !length;
        if (last)
            length = strlen(text);
        if (last)
            canvas_fit(canvas, how, text, width, line, sizeof line);
        else
            snprintf(line, sizeof line, "%.*s", (int)length, text);
        if (draw)
            canvas_write(canvas, how, x, y - (lines - 1) * line_px, line);
        text += length;
        text += strspn(text, " ");
    } while (*text);
    return lines;
}
