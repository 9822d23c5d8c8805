/* posix: see posix.h. Paths and arguments are UTF-8 by the manifest beside this file, bytes are bytes by
 * the constructor below. */
#include <windows.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

__attribute__((constructor)) static void bytes_are_bytes(void)
{
    _fmode = _O_BINARY;
    for (int fd = 0; fd <= 2; fd++)
        if (_get_osfhandle(fd) >= 0)
            _setmode(fd, _O_BINARY);
    SetConsoleOutputCP(CP_UTF8);
}

/* A signal is taken as not ignored; C's own signal() knows no more. */
int posix_sigaction(int number, const struct sigaction *new_action, struct sigaction *old_action)
{
    if (old_action)
        old_action->sa_handler = SIG_DFL;
    return new_action && signal(number, new_action->sa_handler) == SIG_ERR ? -1 : 0;
}

int posix_fchmod(int fd, int mode)
{
    (void)fd;
    (void)mode;
    return 0;
}

int posix_rename(const char *from, const char *to)
{
    if (MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING))
        return 0;
    errno = GetLastError() == ERROR_ACCESS_DENIED ? EACCES : EIO;
    return -1;
}

int posix_link(const char *from, const char *to)
{
    if (CreateHardLinkA(to, from, NULL))
        return 0;
    errno = GetLastError() == ERROR_ALREADY_EXISTS ? EEXIST : EIO;
    return -1;
}

int posix_mkstemp(char *name)
{
    const DWORD shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    char *suffix = name + strlen(name) - 6;
    DWORD number = GetTickCount() * 2654435761u + GetCurrentProcessId();

    for (int tries = 0; tries < 100; tries++, number += 2654435761u) {
        HANDLE file;

        snprintf(suffix, 7, "%06lx", number >> 8);
        file = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, shared, NULL, CREATE_NEW,
                           FILE_ATTRIBUTE_NORMAL, NULL);
        if (file != INVALID_HANDLE_VALUE)
            return _open_osfhandle((intptr_t)file, _O_RDWR | _O_BINARY);
        if (GetLastError() != ERROR_FILE_EXISTS)
            break;
    }
    errno = GetLastError() == ERROR_PATH_NOT_FOUND ? ENOENT : EACCES;
    return -1;
}

/* A pipe tells what it holds; a file is always ready, and so is, to our purpose, a console. */
int poll(struct pollfd *fds, unsigned count, int timeout)
{
    DWORD waiting = 1;
    HANDLE handle = (HANDLE)_get_osfhandle(fds->fd);

    (void)count;
    (void)timeout;
    if (GetFileType(handle) == FILE_TYPE_PIPE &&
        !PeekNamedPipe(handle, NULL, 0, NULL, &waiting, NULL))
        waiting = 1; /* its end is there to be read */
    fds->revents = waiting ? POLLIN : 0;
    return waiting != 0;
}

int ioctl(int fd, int what, struct winsize *size)
{
    CONSOLE_SCREEN_BUFFER_INFO info;

    (void)what;
    if (!GetConsoleScreenBufferInfo((HANDLE)_get_osfhandle(fd), &info))
        return -1;
    size->ws_col = (unsigned short)(info.srWindow.Right - info.srWindow.Left + 1);
    size->ws_row = (unsigned short)(info.srWindow.Bottom - info.srWindow.Top + 1);
    return 0;
}
