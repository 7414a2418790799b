/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One pass over libplot's SVG text. */
#include "plot/svg.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "plot/text.h"

static const char *const families[] = {"font-family=\"Helvetica,",
                                       "font-family=\"Helvetica-Bold,Helvetica,"};
static const char fonts[] = "font-family=\"Helvetica,Arial,'Liberation Sans','Nimbus Sans',";
static const char element[] = "<text ";

static bool at_word(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

static const char *anchor_attribute(char anchor)
{
    if (anchor == 'c')
        return "text-anchor=\"middle\" ";
    return anchor == 'r' ? "text-anchor=\"end\" " : "";
}

/* The length of libplot's font list when it begins here, else 0. */
static size_t family_length(const char *text)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (*text == 'f' && at_word(text, families[i]))
            return strlen(families[i]);
    return 0;
}

/* How much may be written as it is: up to where an element or a font list may begin, or to what is
 * not ASCII. */
static size_t plain_length(const char *text)
{
    const char *at = text;
    while (*at && (unsigned char)*at < 0x80 && *at != '<' && *at != 'f')
        at++;
    return (size_t)(at - text);
}

/* The drawing's elements; ISO 8859-1 becomes UTF-8. False when there are not as many texts as
 * anchors. In a text "<" and quotes are escaped, so that elements and attributes are real. */
static bool write_body(const char *body, const char *anchors, FILE *out)
{
    while (*body) {
        unsigned char byte = (unsigned char)*body;
        size_t plain = plain_length(body), family = family_length(body);
        if (plain) {
            fwrite(body, 1, plain, out);
            body += plain;
        } else if (byte == '<' && at_word(body, element)) {
            if (!*anchors)
                return false;
            fprintf(out, "%s%s", element, anchor_attribute(*anchors++));
            body += strlen(element);
        } else if (family) {
            fputs(fonts, out);
            body += family;
        } else {
            if (byte >= 0x80)
                putc_unlocked(byte >> 6 | 0xc0, out);
            putc_unlocked(byte >= 0x80 ? (byte & 0x3f) | 0x80 : byte, out);
            body++;
        }
    }
    return !*anchors;
}

static int not_understood(struct wh_error *error)
{
    return error_set(error, NULL, 0, 0, "libplot wrote no SVG that could be understood");
}

/* libplot's own root and group scale a square of size 1 to the page, with five digits only; so the
 * page is given its own. Skips both: returns what is in the group, NULL when it is not there. */
static const char *find_content(const char *drawing)
{
    static const char start[] = "<g id=\"content\" transform=\"";
    const char *root = strstr(drawing, "<svg ");
    const char *group = root ? strstr(root, start) : NULL;
    const char *end = group ? strchr(group + strlen(start), '"') : NULL;
    return end && strstr(end, "</svg>") ? end + 1 : NULL;
}

int svg_rewrite(const char *drawing, const char *anchors, const struct svg_page *page, FILE *out,
                struct wh_error *error)
{
    const char *content = find_content(drawing);
    if (!content)
        return not_understood(error);
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" role=\"img\" "
            "width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\">\n<title>",
            page->width, page->height, page->width, page->height);
    text_write_xml(page->title, out);
    fputs("</title>\n<desc>", out);
    text_write_xml(page->description, out);
    fprintf(out,
            "</desc>\n<rect width=\"%u\" height=\"%u\" fill=\"white\"/>\n"
            "<g id=\"content\" transform=\"translate(0,%u) scale(1,-1)\"",
            page->width, page->height, page->height);
    return write_body(content, anchors, out) ? WH_OK : not_understood(error);
}
