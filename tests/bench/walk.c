/* SPDX-License-Identifier: GPL-3.0-or-later */
/* walk FILE...: the least that a reader of captures can do: maps each pcap file of this machine's
 * byte order and goes from record header to record header. Prints packets and bytes kept. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_HEADER = 24, RECORD_HEADER = 16 };

static int walk(const char *name, uint64_t *packets, uint64_t *bytes)
{
    struct stat info;
    int file = open(name, O_RDONLY);

    if (file < 0 || fstat(file, &info) != 0)
        return -1;
    size_t size = (size_t)info.st_size, at = FILE_HEADER;
    const uint8_t *data = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (data == MAP_FAILED)
        return -1;
    while (size - at >= RECORD_HEADER) {
        uint32_t kept;
        memcpy(&kept, data + at + 8, sizeof kept);
        if (kept > size - at - RECORD_HEADER)
            break;
        at += RECORD_HEADER + kept;
        ++*packets;
        *bytes += kept;
    }
    munmap((void *)(uintptr_t)data, size);
    return at == size ? 0 : -1;
}

int main(int count, char **words)
{
    uint64_t packets = 0, bytes = 0;

    for (int i = 1; i < count; i++)
        if (walk(words[i], &packets, &bytes) != 0) {
            fprintf(stderr, "walk: %s: cannot be read, or is cut\n", words[i]);
            return 2;
        }
    printf("%llu packets, %llu bytes\n", (unsigned long long)packets, (unsigned long long)bytes);
    return 0;
}
