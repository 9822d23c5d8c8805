/* posix: what the embed command takes from POSIX and MinGW lacks. Windows builds include this before
 * every file of the command, which know nothing of it. */
#ifndef EMBED_POSIX_H
#define EMBED_POSIX_H

#include <direct.h>
#include <io.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define O_CLOEXEC _O_NOINHERIT
#define F_GETFD   1
#define SIGHUP    SIGBREAK
#define SIGPIPE   13 /* never sent: a write fails */
#define SIGXFSZ   25

struct sigaction {
    void (*sa_handler)(int);
    int sa_mask;
};

#define sigemptyset(mask)       ((void)(*(mask) = 0))
#define sigaction(n, new, old)  posix_sigaction(n, new, old)
#define fcntl(fd, what)         ((void)(what), _get_osfhandle(fd) == -1 ? -1 : 0)
#define fchmod(fd, mode)        posix_fchmod(fd, mode)
#define lstat(path, status)     stat(path, status)
#define realpath(path, null)    _fullpath(null, path, 0)
#define rename(from, to)        posix_rename(from, to)
#define link(from, to)          posix_link(from, to)
#define fsync(fd)               _commit(fd)
#define mkstemp(name)           posix_mkstemp(name)

int posix_sigaction(int number, const struct sigaction *new_action, struct sigaction *old_action);
int posix_fchmod(int fd, int mode); /* nothing */
int posix_rename(const char *from, const char *to); /* over a file that is there */
int posix_link(const char *from, const char *to);
int posix_mkstemp(char *name); /* a file that can be removed while it is open */

#endif
