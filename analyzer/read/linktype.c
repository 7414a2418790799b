/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Link types: the number in a file is the same everywhere, libpcap's DLT_ differs by system. */
#include <pcap/dlt.h>

#include "read/reader.h"

/* Only those whose two numbers differ; https://www.tcpdump.org/linktypes.html. */
static const struct {
    uint16_t linktype, dlt;
} DIFFERENT[] = {
    {14, DLT_RAW}, /* as OpenBSD wrote it */
    {100, DLT_ATM_RFC1483}, {101, DLT_RAW},      {102, DLT_SLIP_BSDOS},
    {103, DLT_PPP_BSDOS},   {106, DLT_ATM_CLIP}, {246, DLT_PFSYNC},
};

uint16_t linktype_to_dlt(uint16_t linktype)
{
    for (size_t i = 0; i < sizeof DIFFERENT / sizeof *DIFFERENT; i++)
        if (DIFFERENT[i].linktype == linktype)
            return DIFFERENT[i].dlt;
    return linktype;
}

/* As libpcap has it, but never more than fits into the window. */
uint32_t linktype_caplen_max(uint16_t dlt)
{
    switch (dlt) {
    case DLT_DBUS:
    case DLT_EBHSCR:
    case DLT_USB_LINUX_MMAPPED:
    case DLT_USBPCAP:
    case DLT_USB_DARWIN:
        return 16 * 1024 * 1024;
    default:
        return 256 * 1024;
    }
}
