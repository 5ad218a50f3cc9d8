/* Lets the n-th call of a kind fail, as a full or broken disk would. Preloaded by faults.py.
   Settings are variables:
     SD_FAULT_OP     write read sync close rename mkdir create
     SD_FAULT_ERROR  number of an error; 0: the call does half of what it was asked to (write, read)
     SD_FAULT_AT     the first call that fails, from 1
     SD_FAULT_MODE   once; stays (all from there on); second (every second one from there on)
     SD_FAULT_BELOW  only files below this folder
     SD_FAULT_LOG    a file that gets a byte for each call that failed */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static long calls;

static int is_below(const char* path) {
  const char* folder = getenv("SD_FAULT_BELOW");
  if (folder == NULL) return 0;
  char whole[PATH_MAX * 2];
  if (path[0] != '/') {
    if (getcwd(whole, PATH_MAX) == NULL) return 0;
    strncat(whole, "/", 2);
    strncat(whole, path, PATH_MAX - 1);
    path = whole;
  }
  const size_t length = strlen(folder);
  return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static int is_fd_below(int fd) {
  char link[64], path[PATH_MAX];
  struct stat status;
  if (syscall(SYS_fstat, fd, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  /* No stdio here: its buffers may be what is being written. */
  char digits[16];
  int n = 0;
  for (int rest = fd; n == 0 || rest > 0; rest /= 10) digits[n++] = (char)('0' + rest % 10);
  strcpy(link, "/proc/self/fd/");
  char* end = link + strlen(link);
  while (n > 0) *end++ = digits[--n];
  *end = '\0';
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = '\0';
  return is_below(path);
}

/* True if this call of `op` is to fail. */
static int fails(const char* op) {
  const char* wanted = getenv("SD_FAULT_OP");
  const char* at = getenv("SD_FAULT_AT");
  const char* mode = getenv("SD_FAULT_MODE");
  if (wanted == NULL || at == NULL || mode == NULL || strcmp(op, wanted) != 0) return 0;
  const long number = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
  const long first = atol(at);
  if (number < first) return 0;
  if (strcmp(mode, "once") == 0 && number != first) return 0;
  if (strcmp(mode, "second") == 0 && (number - first) % 2 != 0) return 0;
  const char* log = getenv("SD_FAULT_LOG");
  if (log != NULL) {
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd >= 0) {
      syscall(SYS_write, fd, "x", 1);
      syscall(SYS_close, fd);
    }
  }
  return 1;
}

static int error(void) {
  const char* number = getenv("SD_FAULT_ERROR");
  return number == NULL ? EIO : atoi(number);
}

static int fail(void) {
  errno = error();
  return -1;
}

static size_t half(size_t size) { return size > 1 ? size / 2 : size; }

ssize_t write(int fd, const void* bytes, size_t size) {
  if (is_fd_below(fd) && fails("write")) {
    if (error() != 0) return fail();
    size = half(size);
  }
  return NEXT(write)(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec* pieces, int count) {
  if (is_fd_below(fd) && fails("write")) {
    if (error() != 0) return fail();
    if (count > 0 && pieces[0].iov_len > 0)
      return NEXT(write)(fd, pieces[0].iov_base, half(pieces[0].iov_len));
  }
  return NEXT(writev)(fd, pieces, count);
}

#define PWRITE(name, offset_type)                                        \
  ssize_t name(int fd, const void* bytes, size_t size, offset_type at) { \
    if (is_fd_below(fd) && fails("write")) {                             \
      if (error() != 0) return fail();                                   \
      size = half(size);                                                 \
    }                                                                    \
    return NEXT(name)(fd, bytes, size, at);                              \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t read(int fd, void* bytes, size_t size) {
  if (is_fd_below(fd) && fails("read")) {
    if (error() != 0) return fail();
    size = half(size);
  }
  return NEXT(read)(fd, bytes, size);
}

#define PREAD(name, offset_type)                                   \
  ssize_t name(int fd, void* bytes, size_t size, offset_type at) { \
    if (is_fd_below(fd) && fails("read")) {                        \
      if (error() != 0) return fail();                             \
      size = half(size);                                           \
    }                                                              \
    return NEXT(name)(fd, bytes, size, at);                        \
  }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

int fsync(int fd) { return is_fd_below(fd) && fails("sync") ? fail() : NEXT(fsync)(fd); }
int fdatasync(int fd) { return is_fd_below(fd) && fails("sync") ? fail() : NEXT(fdatasync)(fd); }

/* Some network disks report only here what they could not write. The descriptor is closed all the
 * same. */
int close(int fd) {
  const int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
  const int counts =
      flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && is_fd_below(fd) && fails("close");
  const int result = NEXT(close)(fd);
  return counts ? fail() : result;
}

int rename(const char* from, const char* to) {
  return is_below(to) && fails("rename") ? fail() : NEXT(rename)(from, to);
}
int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  return is_below(to) && fails("rename") ? fail()
                                         : NEXT(renameat2)(from_fd, from, to_fd, to, flags);
}
int link(const char* from, const char* to) {
  return is_below(to) && fails("rename") ? fail() : NEXT(link)(from, to);
}
int mkdir(const char* path, mode_t mode) {
  return is_below(path) && fails("mkdir") ? fail() : NEXT(mkdir)(path, mode);
}

#define OPEN(name)                                                                                 \
  int name(const char* path, int flags, ...) {                                                     \
    mode_t mode = 0;                                                                               \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                           \
      va_list rest;                                                                                \
      va_start(rest, flags);                                                                       \
      mode = va_arg(rest, mode_t);                                                                 \
      va_end(rest);                                                                                \
    }                                                                                              \
    return (flags & O_CREAT) && is_below(path) && fails("create") ? fail()                         \
                                                                  : NEXT(name)(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)
