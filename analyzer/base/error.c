/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Errors as sentences that name file, packet and byte. */
#include "base/error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

int error_set(struct wh_error *error, const char *file, uint64_t packet, uint64_t byte,
              const char *format, ...)
{
    if (!error)
        return WH_ERROR;
    error->packet = packet;
    error->byte = byte;
    error->out_of_memory = false;
    snprintf(error->file, sizeof error->file, "%s", file ? file : "");

    char where[320] = "";
    if (file && packet)
        snprintf(where, sizeof where, "%s: packet %" PRIu64 " (byte %" PRIu64 "): ", error->file,
                 packet, byte);
    else if (file && *file)
        snprintf(where, sizeof where, "%s: ", error->file);

    char what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(error->text, sizeof error->text, "%s%s", where, what);
    return WH_ERROR;
}

int error_memory(struct wh_error *error, const char *what)
{
    error_set(error, NULL, 0, 0, "out of memory for %s", what);
    if (error)
        error->out_of_memory = true;
    return WH_ERROR;
}
