/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A string that grows, and remembers when it could not. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report/parts.h"

/* Room for `more` bytes and a NUL. */
static bool buffer_room(struct buffer *buffer, size_t more)
{
    if (buffer->failed)
        return false;
    if (more < buffer->capacity - buffer->length)
        return true;
    size_t wanted;
    if (__builtin_add_overflow(buffer->length, more, &wanted) || wanted > SIZE_MAX / 4) {
        buffer->failed = true;
        return false;
    }
    wanted = wanted < 500 ? 1000 : wanted * 2;
    char *grown = realloc(buffer->bytes, wanted);
    if (!grown) {
        buffer->failed = true;
        return false;
    }
    buffer->bytes = grown;
    buffer->capacity = wanted;
    return true;
}

char *buffer_reserve(struct buffer *buffer, size_t room)
{
    return buffer_room(buffer, room) ? buffer->bytes + buffer->length : NULL;
}

void buffer_bytes(struct buffer *buffer, const char *bytes, size_t length)
{
    if (!buffer_room(buffer, length))
        return;
    if (length)
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    buffer->bytes[buffer->length] = '\0';
}

void buffer_add(struct buffer *buffer, const char *text)
{
    buffer_bytes(buffer, text, strlen(text));
}

void buffer_repeat(struct buffer *buffer, char c, size_t count)
{
    if (!buffer_room(buffer, count))
        return;
    memset(buffer->bytes + buffer->length, c, count);
    buffer->length += count;
    buffer->bytes[buffer->length] = '\0';
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        buffer->failed = true;
    else if (buffer_room(buffer, (size_t)length)) {
        vsnprintf(buffer->bytes + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

char *buffer_take(struct buffer *buffer)
{
    buffer_bytes(buffer, "", 0); /* an empty string is a string, too */
    char *bytes = buffer->bytes;
    if (buffer->failed) {
        free(bytes);
        bytes = NULL;
    }
    *buffer = (struct buffer){0};
    return bytes;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
