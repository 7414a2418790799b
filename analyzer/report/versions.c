/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What made the report: the program and the libraries that read, draw and write for it. */
#include <libtrace.h>
#include <pcap/pcap.h>
#include <plot.h>
#include <xxhash.h>
#include <zlib.h>

#include <json-c/json_c_version.h>

#include "report/parts.h"

void facts_versions(struct buffer *buffer)
{
    const unsigned trace = LIBTRACE_API_VERSION, hash = XXH_versionNumber();
    /* libtrace tells only what it was when this was built; pcap says "libpcap version 1.10.3 ..."
     */
    buffer_printf(buffer, "whichhop %s; %s; libtrace %u.%u.%u; libplot %s; json-c %s; ", WH_VERSION,
                  pcap_lib_version(), trace >> 16, trace >> 8 & 0xff, trace & 0xff, pl_libplot_ver,
                  json_c_version());
    buffer_printf(buffer, "zlib %s; xxHash %u.%u.%u", zlibVersion(), hash / 10000, hash / 100 % 100,
                  hash % 100);
}
