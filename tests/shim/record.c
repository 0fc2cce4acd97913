/*
 * A file-system shim for the tests of the store, loaded with LD_PRELOAD: it stands between a process and
 * its files, below the database and everything else.
 *
 *   SHIM_ROOT   only what lies in this directory counts
 *   SHIM_MARK   a file whose writes are marks in the log; "go" arms the failing mode, "stop" ends it
 *   SHIM_LOG    record every write, sync and change of a name here, with its data
 *   SHIM_FAIL   "n errno sticky": from "go" on, operation number n (1 is the first) fails with errno;
 *               (the log gets the mark "fault"); with sticky 1 only operations that need space count, and all
 *               of them fail after it
 *
 * One record: octets that follow (4), operation (1), inode (8), number (8), length (4) and octets, length (4) and
 * octets; little-endian. One lock is held around each operation, from the look at what it names to its record, so
 * that the log has the order in which things happened, whichever thread did them. A record goes out in one call, and
 * what is short of it is written on; a process that is killed over it leaves its beginning at the end of the log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[4096], mark[4096];
static int log_fd = -1;
static long fail_at, fail_errno, sticky, counted;
static int armed;

__attribute__((constructor)) static void start(void)
{
    const char *value = getenv("SHIM_ROOT");
    if (value)
        snprintf(root, sizeof root, "%s", value);
    if ((value = getenv("SHIM_MARK")))
        snprintf(mark, sizeof mark, "%s", value);
    if ((value = getenv("SHIM_LOG")))
        log_fd = syscall(SYS_openat, AT_FDCWD, value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if ((value = getenv("SHIM_FAIL")))
        sscanf(value, "%ld %ld %ld", &fail_at, &fail_errno, &sticky);
}

static int ours(const char *path)
{
    size_t length = strlen(root);
    return length && !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

/* The path behind a descriptor, if it is one of ours: then the lock is held. */
static int take(int fd, char *path, size_t size)
{
    char link[64];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    pthread_mutex_lock(&lock);
    length = syscall(SYS_readlinkat, AT_FDCWD, link, path, size - 1);
    if (length >= 0) {
        path[length] = 0;
        if (ours(path) || (*mark && !strcmp(path, mark)))
            return 1;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static uint64_t inode_of(int fd)
{
    struct stat stat;
    return fstat(fd, &stat) ? 0 : stat.st_ino;
}

static uint64_t inode_at(const char *path)
{
    struct stat stat;
    return lstat(path, &stat) ? 0 : stat.st_ino;
}

/* Writes all parts, however little of them a call takes. */
static void put(struct iovec *parts, int count)
{
    while (count) {
        ssize_t done = syscall(SYS_writev, log_fd, parts, count);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            _exit(99);
        for (; count && (size_t)done >= parts->iov_len; parts++, count--)
            done -= parts->iov_len;
        if (count) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= done;
        }
    }
}

/* Only under the lock. */
static void record(char operation, uint64_t inode, uint64_t number, const char *path, const void *data, uint32_t size)
{
    uint32_t length = strlen(path);
    uint32_t all = 1 + 8 + 8 + 4 + length + 4 + size;
    struct iovec parts[] = {
        { &all, 4 },    { &operation, 1 },        { &inode, 8 }, { &number, 8 },
        { &length, 4 }, { (void *)path, length }, { &size, 4 },  { (void *)data, size },
    };
    if (log_fd >= 0)
        put(parts, sizeof parts / sizeof *parts);
}

/* Whether the operation under way is to fail; `space` when it needs room on the disk. */
static int fails(int space)
{
    if (!fail_at || !armed)
        return 0;
    if (sticky && !space)
        return 0;
    counted++;
    if (counted == fail_at || (sticky && space && counted > fail_at)) {
        if (counted == fail_at)
            record('K', 0, 0, mark, "fault", 5);
        errno = fail_errno;
        return 1;
    }
    return 0;
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
    int fd, existed;
    if (!ours(path))
        return syscall(SYS_openat, dir, path, flags, mode);
    pthread_mutex_lock(&lock);
    existed = inode_at(path) != 0;
    fd = fails((flags & O_CREAT) && !existed) ? -1 : syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= 0 && (flags & O_CREAT) && !existed)
        record('O', inode_of(fd), 0, path, "", 0);
    else if (fd >= 0 && (flags & O_TRUNC))
        record('T', inode_of(fd), 0, path, "", 0);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define WITH_MODE(call)                         \
    mode_t mode = 0;                            \
    if (flags & (O_CREAT | __O_TMPFILE)) {      \
        va_list rest;                           \
        va_start(rest, flags);                  \
        mode = va_arg(rest, mode_t);            \
        va_end(rest);                           \
    }                                           \
    return call

int open(const char *path, int flags, ...) { WITH_MODE(open_at(AT_FDCWD, path, flags, mode)); }
int open64(const char *path, int flags, ...) { WITH_MODE(open_at(AT_FDCWD, path, flags, mode)); }
int openat(int dir, const char *path, int flags, ...) { WITH_MODE(open_at(dir, path, flags, mode)); }
int openat64(int dir, const char *path, int flags, ...) { WITH_MODE(open_at(dir, path, flags, mode)); }

static void wrote(int fd, const char *path, off_t offset, const void *data, ssize_t size)
{
    if (!strcmp(path, mark)) {
        if (size >= 2 && !memcmp(data, "go", 2))
            armed = 1;
        if (size >= 4 && !memcmp(data, "stop", 4))
            armed = 0;
        record('K', 0, 0, path, data, size);
    } else {
        record('W', inode_of(fd), offset, path, data, size);
    }
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    char path[4096];
    ssize_t done;
    if (!take(fd, path, sizeof path))
        return syscall(SYS_pwrite64, fd, data, size, offset);
    done = fails(1) ? -1 : syscall(SYS_pwrite64, fd, data, size, offset);
    if (done > 0)
        wrote(fd, path, offset, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return pwrite(fd, data, size, offset); }

ssize_t write(int fd, const void *data, size_t size)
{
    char path[4096];
    ssize_t done;
    off_t offset;
    if (!take(fd, path, sizeof path))
        return syscall(SYS_write, fd, data, size);
    offset = syscall(SYS_lseek, fd, 0, SEEK_CUR);
    done = strcmp(path, mark) && fails(1) ? -1 : syscall(SYS_write, fd, data, size);
    if (done > 0)
        wrote(fd, path, offset, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    char path[4096];
    ssize_t done, all = 0;
    if (!take(fd, path, sizeof path))
        return syscall(SYS_writev, fd, parts, count);
    pthread_mutex_unlock(&lock);
    for (int part = 0; part < count; part++) {
        done = write(fd, parts[part].iov_base, parts[part].iov_len);
        if (done < 0)
            return all ? all : -1;
        all += done;
        if ((size_t)done < parts[part].iov_len)
            break;
    }
    return all;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    ssize_t done, all = 0;
    for (int part = 0; part < count; part++) {
        done = pwrite(fd, parts[part].iov_base, parts[part].iov_len, offset + all);
        if (done < 0)
            return all ? all : -1;
        all += done;
        if ((size_t)done < parts[part].iov_len)
            break;
    }
    return all;
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
    return pwritev(fd, parts, count, offset);
}

static int sync_of(int fd, long call, char operation)
{
    char path[4096];
    int done;
    if (!take(fd, path, sizeof path))
        return syscall(call, fd);
    done = fails(0) ? -1 : syscall(call, fd);
    if (!done)
        record(operation, inode_of(fd), 0, path, "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int fsync(int fd) { return sync_of(fd, SYS_fsync, 'S'); }
int fdatasync(int fd) { return sync_of(fd, SYS_fdatasync, 'D'); }

int sync_file_range(int fd, off_t offset, off_t size, unsigned int flags)
{
    char path[4096];
    int done;
    if (!take(fd, path, sizeof path))
        return syscall(SYS_sync_file_range, fd, offset, size, flags);
    done = fails(0) ? -1 : syscall(SYS_sync_file_range, fd, offset, size, flags);
    pthread_mutex_unlock(&lock);
    return done;
}

int rename(const char *from, const char *to)
{
    uint64_t inode;
    int done;
    if (!ours(from) && !ours(to))
        return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&lock);
    inode = inode_at(from);
    done = fails(0) ? -1 : syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (!done)
        record('N', inode, 0, from, to, strlen(to));
    pthread_mutex_unlock(&lock);
    return done;
}

static int remove_at(int dir, const char *path, int flags)
{
    uint64_t inode;
    int done;
    if (!ours(path))
        return syscall(SYS_unlinkat, dir, path, flags);
    pthread_mutex_lock(&lock);
    inode = inode_at(path);
    done = fails(0) ? -1 : syscall(SYS_unlinkat, dir, path, flags);
    if (!done)
        record('U', inode, 0, path, "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int unlink(const char *path) { return remove_at(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return remove_at(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int dir, const char *path, int flags) { return remove_at(dir, path, flags); }

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    int done;
    if (!ours(to))
        return syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    pthread_mutex_lock(&lock);
    done = fails(1) ? -1 : syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    if (!done)
        record('L', inode_at(to), 0, from, to, strlen(to));
    pthread_mutex_unlock(&lock);
    return done;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int ftruncate(int fd, off_t size)
{
    char path[4096];
    int done;
    if (!take(fd, path, sizeof path))
        return syscall(SYS_ftruncate, fd, size);
    done = fails(1) ? -1 : syscall(SYS_ftruncate, fd, size);
    if (!done)
        record('T', inode_of(fd), size, path, "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

int mkdir(const char *path, mode_t mode)
{
    int done;
    if (!ours(path))
        return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_lock(&lock);
    done = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) && fails(1) ? -1 : syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (!done)
        record('M', inode_at(path), 0, path, "", 0);
    pthread_mutex_unlock(&lock);
    return done;
}
