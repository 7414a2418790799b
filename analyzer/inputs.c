/* SPDX-License-Identifier: GPL-3.0-or-later */
/* POINT=FILE on the command line: which files of which points are meant. */
#include "inputs.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A point's name from its file's: without folders and without what tells its format. */
static void name_from_file(const char *file, char *name, size_t size)
{
    static const char *const endings[] = {".gz",  ".bz2",  ".xz",  ".zst", ".pcap", ".pcapng",
                                          ".cap", ".dump", ".erf", ".dmp", ".snoop"};
    const char *slash = strrchr(file, '/');
    snprintf(name, size, "%s", slash ? slash + 1 : file);
    for (bool cut = true; cut;) {
        cut = false;
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
            size_t length = strlen(name), ending = strlen(endings[i]);
            if (length > ending && strcmp(name + length - ending, endings[i]) == 0) {
                name[length - ending] = '\0';
                cut = true;
            }
        }
    }
}

/* Adds a file, all files of a folder, or all that a pattern names. */
static int add_input(struct wh_analysis *analysis, const char *point, const char *file,
                     struct wh_error *error)
{
    struct stat status = {0};
    bool exists = strcmp(file, "-") == 0 || stat(file, &status) == 0;
    bool folder = exists && strcmp(file, "-") != 0 && S_ISDIR(status.st_mode);
    if (!folder && (exists || !strpbrk(file, "*?[")))
        return wh_add_capture(analysis, point, file, error);

    char pattern[4096];
    glob_t found;
    int added = WH_OK;
    snprintf(pattern, sizeof pattern, "%s%s", file, folder ? "/*" : "");
    if (glob(pattern, 0, NULL, &found) != 0)
        return wh_add_capture(analysis, point, file, error); /* said when it is to be read */
    for (size_t i = 0; i < found.gl_pathc && added == WH_OK; i++)
        if (stat(found.gl_pathv[i], &status) == 0 && !S_ISDIR(status.st_mode))
            added = wh_add_capture(analysis, point, found.gl_pathv[i], error);
    globfree(&found);
    return added;
}

int inputs_name(const char *text, size_t length, char name[INPUTS_NAME_SIZE],
                struct wh_error *error)
{
    if (length >= INPUTS_NAME_SIZE) {
        snprintf(error->text, sizeof error->text,
                 "the point's name \"%.40s...\" has %zu bytes; give one of at most %d", text,
                 length, INPUTS_NAME_SIZE - 1);
        return WH_ERROR;
    }
    memcpy(name, text, length);
    name[length] = '\0';
    return WH_OK;
}

int inputs_add(struct wh_analysis *analysis, char **inputs, struct wh_error *error)
{
    for (; *inputs; inputs++) {
        char name[INPUTS_NAME_SIZE];
        const char *equals = strchr(*inputs, '=');
        const char *file = equals ? equals + 1 : *inputs;
        if (!equals)
            name_from_file(file, name, sizeof name);
        else if (inputs_name(*inputs, (size_t)(equals - *inputs), name, error))
            return WH_ERROR;
        if (*file == '\0') {
            snprintf(error->text, sizeof error->text, "\"%s\" names no file", *inputs);
            return WH_ERROR;
        }
        if (add_input(analysis, name, file, error))
            return WH_ERROR;
    }
    return WH_OK;
}
