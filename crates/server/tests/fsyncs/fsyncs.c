/* Preloaded into the server by a test: writes the path of every file that the disk was made to keep into the file
 * that FSYNC_LOG names. Needs neither ptrace nor privileges, so it works in any container with a C compiler. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void note(int fd) {
  const char *log = getenv("FSYNC_LOG");
  char link[64], path[PATH_MAX + 1];
  if (log == NULL) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX);
  int out = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (length < 0 || out < 0) abort();
  path[length++] = '\n';
  if (write(out, path, (size_t)length) != length) abort();
  close(out);
}

/* Noted after it succeeded, and before the caller goes on. */
#define NOTED(name)                                        \
  int name(int fd) {                                       \
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name); \
    int outcome = real(fd);                                \
    if (outcome == 0) note(fd);                            \
    return outcome;                                        \
  }

NOTED(fsync)
NOTED(fdatasync)
