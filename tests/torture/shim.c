/* Preloaded into the daemon: the n-th fsync or fdatasync of a file whose path holds a word fails.
 *
 *   TORTURE_FILE   the word
 *   TORTURE_FROM   the first call that fails, from 1
 *   TORTURE_TO     the last one
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int calls;

static int number(const char *name) {
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

static int refused(int file) {
    char link[64], path[4096];
    const char *word = getenv("TORTURE_FILE");
    if (!word) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (!strstr(path, word)) return 0;
    int call = __sync_add_and_fetch(&calls, 1);
    return call >= number("TORTURE_FROM") && call <= number("TORTURE_TO");
}

static int passed_on(const char *name, int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(file);
}

int fsync(int file) {
    if (refused(file)) { errno = EIO; return -1; }
    return passed_on("fsync", file);
}

int fdatasync(int file) {
    if (refused(file)) { errno = EIO; return -1; }
    return passed_on("fdatasync", file);
}
