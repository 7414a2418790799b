/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pcap FILE...: libpcap's reader and nothing else. Prints packets and bytes kept. */
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>

int main(int count, char **words)
{
    uint64_t packets = 0, bytes = 0;
    char error[PCAP_ERRBUF_SIZE];

    for (int i = 1; i < count; i++) {
        struct pcap_pkthdr *head;
        const unsigned char *data;
        pcap_t *capture =
            pcap_open_offline_with_tstamp_precision(words[i], PCAP_TSTAMP_PRECISION_NANO, error);
        if (!capture) {
            fprintf(stderr, "pcap: %s\n", error);
            return 2;
        }
        for (int got; (got = pcap_next_ex(capture, &head, &data)) == 1; packets++)
            bytes += head->caplen;
        pcap_close(capture);
    }
    printf("%llu packets, %llu bytes\n", (unsigned long long)packets, (unsigned long long)bytes);
    return 0;
}
