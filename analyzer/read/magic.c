/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Formats that are known by their first bytes and are not read: named, so that the message helps.
 */
#include "read/reader.h"

#define CONVERT "; convert it with `editcap FILE NEW.pcapng`"

static const struct {
    const char *magic;
    size_t bytes;
    const char *name;
} KNOWN[] = {
    {"\x28\xb5\x2f\xfd", 4, "is packed with zstd; unpack it first: zstd -d FILE"},
    {"\x04\x22\x4d\x18", 4, "is packed with lz4; unpack it first: lz4 -d FILE"},
    {"\x1f\x9d", 2, "is packed with compress; unpack it first: uncompress FILE"},
    {"PK\3\4", 4, "is a zip archive; unpack it first"},
    {"7z\xbc\xaf\x27\x1c", 6, "is a 7z archive; unpack it first"},
    {"RTSS", 4, "is a Network Monitor capture" CONVERT},
    {"GMBU", 4, "is a Network Monitor 2 capture" CONVERT},
    {"XCP\0", 4, "is a NetXray capture" CONVERT},
    {"TRSNIFF data    ", 16, "is a Sniffer capture" CONVERT},
    {"\x7fver", 4, "is an OmniPeek capture" CONVERT},
    {"\x0a\x0d\x0d\x0a", 4,
     "begins as pcapng does, but does not tell its byte order: it is damaged; copy it anew"},
};

const char *magic_clause(const uint8_t *start, size_t bytes)
{
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (bytes >= KNOWN[i].bytes && !memcmp(start, KNOWN[i].magic, KNOWN[i].bytes))
            return KNOWN[i].name;
    return NULL;
}
