/*
 * Makes writes below a folder fail: preloaded into a process by tests/harness/faults.rs.
 *
 * FAULTS_FOLDER is the folder, FAULTS_CONTROL a file of `struct control` that both sides map or write. Calls on standard
 * output and standard error never fail, so that a log in the same folder is still written.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE = 1, SYNC = 2, TRUNCATE = 4, OPEN = 8, RENAME = 16 };

/* Little-endian 32-bit words, in this order; see faults.rs. */
struct control {
    uint32_t error;    /* errno that a call fails with; 0: none fails */
    uint32_t kinds;    /* which calls, a sum of `enum kind` */
    int32_t countdown; /* so many calls succeed before */
    uint32_t lasting;  /* 1: all calls after that fail, too; 0: just one */
    uint32_t calls;    /* calls of these kinds since it was armed */
    uint32_t hits;     /* how many of them have failed */
    uint32_t partial;  /* 1: the failing write has written half of its octets */
};

static struct control *control;
static const char *folder;
static size_t folder_length;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("FAULTS_CONTROL");
    folder = getenv("FAULTS_FOLDER");
    if (!path || !folder)
        return;
    folder_length = strlen(folder);
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int fd = real_open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        control = map;
    close(fd);
}

static int below(const char *path)
{
    return strncmp(path, folder, folder_length) == 0 && path[folder_length] == '/';
}

/* Whether this call is to fail; sets errno. */
static int fails(enum kind kind)
{
    if (!(__atomic_load_n(&control->kinds, __ATOMIC_SEQ_CST) & kind))
        return 0;
    __atomic_fetch_add(&control->calls, 1, __ATOMIC_SEQ_CST);
    uint32_t error = __atomic_load_n(&control->error, __ATOMIC_SEQ_CST);
    if (error == 0)
        return 0;
    int32_t left = __atomic_fetch_sub(&control->countdown, 1, __ATOMIC_SEQ_CST);
    if (left > 0 || (left < 0 && !control->lasting))
        return 0;
    __atomic_fetch_add(&control->hits, 1, __ATOMIC_SEQ_CST);
    errno = (int)error;
    return 1;
}

static int path_fails(enum kind kind, const char *path)
{
    if (!control || !path)
        return 0;
    if (path[0] == '/')
        return below(path) && fails(kind);
    char whole[PATH_MAX];
    if (!getcwd(whole, sizeof whole))
        return 0;
    size_t length = strlen(whole);
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    return below(whole) && fails(kind);
}

static int fd_fails(enum kind kind, int fd)
{
    if (!control || fd <= 2)
        return 0;
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return below(path) && fails(kind);
}

#define REAL(result, name, ...)                                                                                        \
    static result (*real)(__VA_ARGS__);                                                                                \
    if (!real)                                                                                                         \
    real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t length)
{
    REAL(ssize_t, write, int, const void *, size_t);
    if (fd_fails(WRITE, fd)) {
        if (control->partial)
            real(fd, data, length / 2);
        return -1;
    }
    return real(fd, data, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(ssize_t, writev, int, const struct iovec *, int);
    return fd_fails(WRITE, fd) ? -1 : real(fd, parts, count);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
    if (fd_fails(WRITE, fd)) {
        if (control->partial)
            real(fd, data, length / 2, offset);
        return -1;
    }
    return real(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    if (fd_fails(WRITE, fd)) {
        if (control->partial)
            real(fd, data, length / 2, offset);
        return -1;
    }
    return real(fd, data, length, offset);
}

int fsync(int fd)
{
    REAL(int, fsync, int);
    return fd_fails(SYNC, fd) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL(int, fdatasync, int);
    return fd_fails(SYNC, fd) ? -1 : real(fd);
}

int ftruncate(int fd, off_t length)
{
    REAL(int, ftruncate, int, off_t);
    return fd_fails(TRUNCATE, fd) ? -1 : real(fd, length);
}

int ftruncate64(int fd, off64_t length)
{
    REAL(int, ftruncate64, int, off64_t);
    return fd_fails(TRUNCATE, fd) ? -1 : real(fd, length);
}

int rename(const char *from, const char *to)
{
    REAL(int, rename, const char *, const char *);
    return path_fails(RENAME, to) ? -1 : real(from, to);
}

/* What opens for writing only. */
static int writing(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags)
    REAL(int, open, const char *, int, ...);
    return writing(flags) && path_fails(OPEN, path) ? -1 : real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags)
    REAL(int, open64, const char *, int, ...);
    return writing(flags) && path_fails(OPEN, path) ? -1 : real(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    MODE(flags)
    REAL(int, openat, int, const char *, int, ...);
    return writing(flags) && path_fails(OPEN, path) ? -1 : real(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...)
{
    MODE(flags)
    REAL(int, openat64, int, const char *, int, ...);
    return writing(flags) && path_fails(OPEN, path) ? -1 : real(at, path, flags, mode);
}
