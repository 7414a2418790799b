/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Strings of unknown contents in GitHub's and GitLab's Markdown: what a capture or a file name
 * holds must not make a link, an image, a mention of somebody, a table cell or a tag.
 */
#include <inttypes.h>
#include <string.h>

#include "report/parts.h"

/* Adds the cleaned start of `text`, at most `bytes` of it and whole characters. */
static void add_clipped(struct buffer *out, const char *text, size_t bytes)
{
    utf8_add_line(out, text);
    if (out->failed || out->length <= bytes)
        return;
    size_t at = 0, used;
    while (at < out->length) {
        utf8_next(out->bytes + at, out->length - at, &used);
        if (at + used > bytes)
            break;
        at += used;
    }
    out->length = at;
    buffer_add(out, "...");
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Nothing in it means anything between backticks, or to a table. */
static bool is_plain_name(const char *name)
{
    if (!*name || *name == ' ' || name[strlen(name) - 1] == ' ')
        return false;
    for (; *name; name++)
        if (*name == '`' || *name == '|' || *name == '\\')
            return false;
    return true;
}

void markdown_code(struct buffer *out, const char *name, size_t bytes)
{
    struct buffer clean = {0};
    add_clipped(&clean, words_or(name, "?"), bytes);
    if (clean.failed) {
        out->failed = true;
    } else if (is_plain_name(clean.bytes)) {
        buffer_printf(out, "`%s`", clean.bytes);
    } else {
        buffer_add(out, "<code>");
        for (const char *c = clean.bytes; *c; c++) {
            if ((unsigned char)*c >= 0x80 || is_alphanumeric(*c) || *c == ' ')
                buffer_bytes(out, c, 1);
            else
                buffer_printf(out, "&#%u;", (unsigned char)*c);
        }
        buffer_add(out, "</code>");
    }
    buffer_free(&clean);
}

void markdown_prose(struct buffer *out, const char *text, size_t bytes)
{
    struct buffer clean = {0};
    add_clipped(&clean, words_or(text, ""), bytes);
    for (const char *c = clean.failed ? "" : clean.bytes; *c; c++) {
        if (*c == '<')
            buffer_add(out, "&lt;");
        else if (*c == '>')
            buffer_add(out, "&gt;");
        else if (*c == '&')
            buffer_add(out, "&amp;");
        else if (*c == '|')
            buffer_add(out, "&#124;");
        else if (strchr("\\`*_[]~$", *c))
            buffer_printf(out, "\\%c", *c);
        else
            buffer_bytes(out, c, 1);
        /* Trackers look for @user, #12, !12, %5 after the Markdown: an empty comment parts them. */
        if (strchr("@#!%~$&", *c) && is_alphanumeric(c[1]))
            buffer_add(out, "<!-- -->");
    }
    out->failed = out->failed || clean.failed;
    buffer_free(&clean);
}

void markdown_command(struct buffer *out, const char *text, size_t bytes)
{
    struct buffer clean = {0};
    add_clipped(&clean, text, bytes);
    buffer_printf(out, "    %s\n", clean.failed ? "" : clean.bytes);
    out->failed = out->failed || clean.failed;
    buffer_free(&clean);
}

void markdown_picture(struct buffer *out, const char *title, const char *path)
{
    buffer_add(out, "![");
    markdown_prose(out, title, 200);
    buffer_add(out, "](");
    for (const char *c = path; *c; c++) {
        if (is_alphanumeric(*c) || strchr("/._-", *c))
            buffer_bytes(out, c, 1);
        else
            buffer_printf(out, "%%%02X", (unsigned char)*c);
    }
    buffer_add(out, ")\n");
}
