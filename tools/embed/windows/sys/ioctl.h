/* ioctl: the width of a console. */
#ifndef EMBED_IOCTL_H
#define EMBED_IOCTL_H

#define TIOCGWINSZ 1

struct winsize {
    unsigned short ws_row, ws_col;
};

int ioctl(int fd, int what, struct winsize *size);

#endif
