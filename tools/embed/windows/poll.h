/* poll: whether a read of one stream would wait. */
#ifndef EMBED_POLL_H
#define EMBED_POLL_H

#define POLLIN 1

struct pollfd {
    int fd;
    short events, revents;
};

int poll(struct pollfd *fds, unsigned count, int timeout); /* count 1, timeout 0 */

#endif
