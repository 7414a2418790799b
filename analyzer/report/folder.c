/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report's folder as a transaction: files are written under temporary names beside their
 * places, and moved there when all of them are whole. Until then nothing of an older report is
 * touched; a full disk leaves it as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "report/parts.h"

#define FILES_MAX  4096u
#define NAME_TRIES 1000u

struct staged {
    char *name;      /* within the folder */
    char *place;     /* the path it gets */
    char *temporary; /* the path it has */
    bool moved;
};

struct report_folder {
    char *path;
    bool made;   /* by us, so that a failure takes it away again */
    size_t kept; /* so many bytes of `path` name a folder that was there before */
    bool committed;
    struct staged *files;
    uint32_t file_count, file_capacity;
    char **made_inside; /* folders within, made by us */
    uint32_t made_count, made_capacity;
};

static const char *advice(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "; free some space or choose another folder with -o";
    case EFBIG:
        return "; raise the limit on file sizes (ulimit -f) or choose fewer formats";
    case EACCES:
    case EPERM:
    case EROFS:
        return "; choose a folder you may write to with -o";
    case ENOENT:
        return "; choose another folder with -o";
    case ENOTDIR:
    case EEXIST:
    case EISDIR:
        return "; something else has that name: move it away or choose another folder with -o";
    default:
        return "";
    }
}

static int fail(struct wh_error *error, const char *path, const char *what, int number)
{
    return error_set(error, path, 0, 0, "%s: %s%s", what, strerror(number), advice(number));
}

/* ---- open ------------------------------------------------------------------------------------ */

/* Makes a folder that may be there already; `made` tells which. */
static int make_folder(const char *path, bool *made)
{
    struct stat status;
    *made = mkdir(path, 0777) == 0;
    int number = *made ? 0 : errno;
    if (*made || (stat(path, &status) == 0 && S_ISDIR(status.st_mode)))
        return 0;
    return number == EEXIST ? ENOTDIR : number;
}

/* Makes the folder and those above it that are missing; an errno, 0 when it is there. On failure
 * `path` then names the last one that is. */
static int make_path(struct report_folder *folder)
{
    char *path = folder->path;
    for (size_t length = 1, there = 0;; length++) {
        char next = path[length];
        bool made;
        if (next && next != '/')
            continue;
        path[length] = '\0';
        int number = make_folder(path, &made);
        if (number) {
            path[there] = '\0';
            return number;
        }
        there = length;
        folder->made = folder->made || made;
        if (!folder->made)
            folder->kept = length;
        if (!next)
            return 0;
        path[length] = next;
    }
}

/* Takes away those of them that we made and that are empty, the innermost first. */
static void remove_path(struct report_folder *folder)
{
    char *path = folder->path;
    size_t length = strlen(path);
    while (length > folder->kept && rmdir(path) == 0) {
        while (length > folder->kept && path[length - 1] != '/')
            length--;
        while (length > 1 && path[length - 1] == '/')
            length--;
        path[length] = '\0';
    }
}

struct report_folder *report_folder_open(const char *path, struct wh_error *error)
{
    if (!path || !*path) {
        error_set(error, NULL, 0, 0, "the report's folder has no name; name it with -o");
        return NULL;
    }
    struct report_folder *folder = calloc(1, sizeof *folder);
    char *copy = strdup(path);
    if (!folder || !copy) {
        error_memory(error, "the report's folder");
        free(folder);
        free(copy);
        return NULL;
    }
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    folder->path = copy;
    int number = make_path(folder);
    if (number) {
        fail(error, path, "the report's folder cannot be made", number);
        report_folder_close(folder);
        return NULL;
    }
    return folder;
}

/* ---- stage ----------------------------------------------------------------------------------- */

static char *join(const char *folder, const char *name)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    return buffer_take(&path);
}

/* Room for one element more: the array, moved perhaps; NULL (and the array as it was) when memory
 * is out or FILES_MAX is reached. */
static void *grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    uint32_t room = *capacity ? *capacity * 2 : 8;
    void *grown = room > FILES_MAX ? NULL : realloc(array, room * size);
    if (grown)
        *capacity = room;
    return grown;
}

/* Makes "plots" for "plots/sequence.svg". */
static int make_inside(struct report_folder *folder, const char *place, struct wh_error *error)
{
    bool made = false;
    char **list =
        grow(folder->made_inside, folder->made_count, &folder->made_capacity, sizeof *list);
    if (!list)
        return error_memory(error, place);
    folder->made_inside = list;
    char *inside = strdup(place);
    if (!inside)
        return error_memory(error, place);
    *strrchr(inside, '/') = '\0';
    int number = make_folder(inside, &made);
    int status = number ? fail(error, inside, "the folder cannot be made", number) : WH_OK;
    if (made)
        folder->made_inside[folder->made_count++] = inside;
    else
        free(inside);
    return status;
}

/* Makes an empty file beside `place` with a name of its own and the same ending. */
static char *make_temporary(const char *place, struct wh_error *error)
{
    const char *base = strrchr(place, '/') + 1;
    int number = EEXIST;
    for (unsigned attempt = 0; attempt < NAME_TRIES && number == EEXIST; attempt++) {
        struct buffer path = {0};
        buffer_bytes(&path, place, (size_t)(base - place));
        buffer_printf(&path, ".whichhop-%ld-%u-%s", (long)getpid(), attempt, base);
        char *temporary = buffer_take(&path);
        if (!temporary) {
            error_memory(error, "the report's files");
            return NULL;
        }
        int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file >= 0) {
            close(file);
            return temporary;
        }
        number = errno;
        free(temporary);
    }
    fail(error, place, "cannot be written", number);
    return NULL;
}

const char *report_folder_stage(struct report_folder *folder, const char *name,
                                struct wh_error *error)
{
    struct stat status;
    struct staged file = {.name = strdup(name), .place = join(folder->path, name)};
    struct staged *list =
        grow(folder->files, folder->file_count, &folder->file_capacity, sizeof *list);
    if (list)
        folder->files = list;
    if (!file.name || !file.place || !list) {
        error_memory(error, name);
        goto cleanup;
    }
    if (strchr(name, '/') && make_inside(folder, file.place, error))
        goto cleanup;
    if (lstat(file.place, &status) == 0 && S_ISDIR(status.st_mode)) {
        fail(error, file.place, "cannot be written", EISDIR);
        goto cleanup;
    }
    file.temporary = make_temporary(file.place, error);
    if (!file.temporary)
        goto cleanup;
    folder->files[folder->file_count++] = file;
    return file.temporary;
cleanup:
    free(file.name);
    free(file.place);
    return NULL;
}

int report_folder_put(struct report_folder *folder, const char *name, const char *bytes,
                      size_t length, struct wh_error *error)
{
    const char *path = report_folder_stage(folder, name, error);
    if (!path)
        return WH_ERROR;
    const char *place = folder->files[folder->file_count - 1].place;
    FILE *file = fopen(path, "we");
    if (!file)
        return fail(error, place, "cannot be written", errno);
    bool whole = fwrite(bytes, 1, length, file) == length && fflush(file) == 0;
    int number = errno;
    if (fclose(file) != 0 && whole) {
        number = errno;
        whole = false;
    }
    return whole ? WH_OK : fail(error, place, "cannot be written whole", number);
}

/* ---- commit, close --------------------------------------------------------------------------- */

int report_folder_commit(struct report_folder *folder, struct wh_error *error)
{
    for (uint32_t i = 0; i < folder->file_count; i++) {
        struct staged *file = &folder->files[i];
        if (rename(file->temporary, file->place) != 0)
            return fail(error, file->place, "cannot be moved into place", errno);
        file->moved = true;
    }
    folder->committed = true;
    return WH_OK;
}

/* In a folder that was there before, what was moved already stays: it is whole, and took the place
 * of an older one. In our own it goes, so that nothing looks like a report. */
static void take_back(struct report_folder *folder)
{
    for (uint32_t i = 0; i < folder->file_count; i++) {
        if (!folder->files[i].moved)
            unlink(folder->files[i].temporary);
        else if (folder->made)
            unlink(folder->files[i].place);
    }
    for (uint32_t i = folder->made_count; i > 0; i--)
        rmdir(folder->made_inside[i - 1]); /* stays when it is not empty */
    if (folder->made)
        remove_path(folder);
}

void report_folder_close(struct report_folder *folder)
{
    if (!folder)
        return;
    if (!folder->committed)
        take_back(folder);
    for (uint32_t i = 0; i < folder->file_count; i++) {
        free(folder->files[i].name);
        free(folder->files[i].place);
        free(folder->files[i].temporary);
    }
    for (uint32_t i = 0; i < folder->made_count; i++)
        free(folder->made_inside[i]);
    free(folder->files);
    free(folder->made_inside);
    free(folder->path);
    free(folder);
}

/* Is `name`, an .svg, staged as a .png, too? Trackers show those everywhere. */
static bool has_png(const struct report_folder *folder, const char *name)
{
    size_t stem = strlen(name) - 3;
    for (uint32_t i = 0; i < folder->file_count; i++)
        if (strncmp(folder->files[i].name, name, stem) == 0 &&
            strcmp(folder->files[i].name + stem, "png") == 0)
            return true;
    return false;
}

uint32_t folder_pictures(const struct report_folder *folder, const char **names, uint32_t limit)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < folder->file_count && count < limit; i++) {
        const char *name = folder->files[i].name, *ending = strrchr(name, '.');
        if (ending && (strcmp(ending, ".png") == 0 ||
                       (strcmp(ending, ".svg") == 0 && !has_png(folder, name))))
            names[count++] = name;
    }
    return count;
}

int folder_fail_write(const struct report_folder *folder, int number, struct wh_error *error)
{
    const char *place = folder->files[folder->file_count - 1].place;
    if (number == ENOMEM)
        return error_memory(error, place);
    return fail(error, place, "cannot be written whole", number);
}
