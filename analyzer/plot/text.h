/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names and sentences on their way into a picture: any bytes in, only what the picture's format
 * can hold out.
 */
#ifndef WHICHHOP_PLOT_TEXT_H
#define WHICHHOP_PLOT_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The code point at `*cursor`, which moves behind it: 0 at the string's end, U+FFFD for each byte
 * that is no UTF-8 (RFC 3629: no surrogates, no overlong forms). */
uint32_t text_next(const char **cursor);

/* UTF-8 to ISO 8859-1, which is all libplot draws: some signs are written otherwise ("->" for an
 * arrow), the rest become "?". Cut to `size`, always ended. Returns `buffer`. */
char *text_to_latin1(const char *utf8, char *buffer, size_t size);

/* Writes `utf8` as the text of an XML element in UTF-8; what XML 1.0 (2.2) forbids is left out. */
void text_write_xml(const char *utf8, FILE *stream);

#endif
