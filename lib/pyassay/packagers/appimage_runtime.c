/* A runtime of AppImage type 2: the program in front of a squashfs image, which mounts or unpacks the image and
 * starts AppRun in it.
 *
 * It does what the AppImage project's runtime (type2-runtime) does, seen from outside: options, variables,
 * folders, exit status; the code is our own. Like there, a mounted application takes the place of this process,
 * so its exit status and signals are its own, and another process serves the file system until nobody holds the
 * pipe open that the application has inherited, however it ended. Like there, an unpacked one is a child:
 * nothing is passed on to it, a signal's death is status 127, and killing this process leaves the folder.
 *
 * Not done: portable homes, signatures, TARGET_APPIMAGE; the folder of an unpacked image is fresh each time, and
 * not named by an MD5 of the whole file. Hard links are unpacked as copies.
 *
 * It is compiled where it is used and not passed on: it is linked statically with squashfuse (BSD-2-Clause),
 * libfuse (LGPL-2.1), lzo (GPL-2.0-or-later), zlib, zstd, lz4, xz and glibc. No line of theirs stands here.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#undef _POSIX_C_SOURCE
#include <squashfuse/ll.h>

#define NOT_STARTED 127
#define ITSELF "/proc/self/exe"
#define VERSION_NAME "pyassay"

static char self[PATH_MAX];
static uint64_t offset;

static void complain(const char *format, va_list words)
{
    fprintf(stderr, "%s: ", self);
    vfprintf(stderr, format, words);
    fputc('\n', stderr);
}

__attribute__((noreturn, format(printf, 1, 2))) static void end(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    complain(format, words);
    va_end(words);
    exit(NOT_STARTED);
}

__attribute__((format(printf, 1, 2))) static int failed(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    complain(format, words);
    va_end(words);
    return -1;
}

/* Where this ELF file ends: behind its last section or its table of sections, whichever comes later. */
static uint64_t end_of_elf(int file)
{
    ElfW(Ehdr) header;
    if (pread(file, &header, sizeof header, 0) != sizeof header || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0
        || header.e_shnum == 0 || header.e_shentsize != sizeof(ElfW(Shdr)))
        end("its own ELF file has no table of sections");
    uint64_t last = header.e_shoff + (uint64_t) header.e_shnum * sizeof(ElfW(Shdr));
    for (unsigned i = 0; i < header.e_shnum; i++) {
        ElfW(Shdr) section;
        if (pread(file, &section, sizeof section, header.e_shoff + i * sizeof section) != sizeof section)
            end("its own ELF file is truncated");
        if (section.sh_type != SHT_NOBITS && section.sh_offset + section.sh_size > last)
            last = section.sh_offset + section.sh_size;
    }
    return last;
}

static void check_image(int file)
{
    struct squashfs_super_block super;
    struct stat all;
    if (fstat(file, &all) != 0)
        end("%s", strerror(errno));
    if (pread(file, &super, sizeof super, offset) != sizeof super || le32toh(super.s_magic) != SQUASHFS_MAGIC)
        end("no squashfs image at byte %llu, behind the runtime", (unsigned long long) offset);
    uint64_t whole = le64toh(super.bytes_used), there = (uint64_t) all.st_size - offset;
    if (there < whole)
        end("truncated: %llu of %llu bytes of its squashfs image are there", (unsigned long long) there,
            (unsigned long long) whole);
}

static int write_file(sqfs *fs, sqfs_inode *inode, const char *path)
{
    size_t size = fs->sb.block_size;
    char *block = malloc(size);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int status = file < 0 || !block ? -1 : 0;
    for (uint64_t done = 0; status == 0 && done < inode->xtra.reg.file_size;) {
        sqfs_off_t got = size;
        if (sqfs_read_range(fs, inode, done, &got, block) != SQFS_OK || got <= 0)
            errno = EIO, status = -1;
        for (sqfs_off_t put = 0; status == 0 && put < got;) {
            ssize_t written = write(file, block + put, got - put);
            if (written < 0 && errno != EINTR)
                status = -1;
            put += written > 0 ? written : 0;
        }
        done += got;
    }
    struct timespec times[2] = {{.tv_sec = inode->base.mtime}, {.tv_sec = inode->base.mtime}};
    if (status == 0 && (fchmod(file, inode->base.mode & 07777) != 0 || futimens(file, times) != 0))
        status = -1;
    int error = errno;
    if (file >= 0)
        close(file);
    free(block);
    return status == 0 ? 0 : failed("%s: %s", path, strerror(error));
}

static int write_entry(sqfs *fs, sqfs_inode *inode, const char *path)
{
    if (S_ISDIR(inode->base.mode))
        return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : failed("%s: %s", path, strerror(errno));
    if (S_ISREG(inode->base.mode))
        return write_file(fs, inode, path);
    if (!S_ISLNK(inode->base.mode))
        return failed("%s: neither file, folder nor link", path);
    char target[PATH_MAX];
    size_t size = sizeof target;
    if (sqfs_readlink(fs, inode, target, &size) != SQFS_OK)
        return failed("%s: its target cannot be read", path);
    unlink(path);
    return symlink(target, path) == 0 ? 0 : failed("%s: %s", path, strerror(errno));
}

/* Write what matches (everything without pattern) into a folder that is there. */
static int unpack(const char *folder, const char *pattern)
{
    sqfs fs;
    sqfs_traverse walk;
    sqfs_err error = SQFS_OK;
    int status = 0;
    if (sqfs_open_image(&fs, ITSELF, offset) != SQFS_OK
        || sqfs_traverse_open(&walk, &fs, sqfs_inode_root(&fs)) != SQFS_OK)
        return failed("its squashfs image cannot be read");
    while (status == 0 && sqfs_traverse_next(&walk, &error)) {
        sqfs_inode inode;
        char path[PATH_MAX];
        const char *name = strrchr(walk.path, '/') ? strrchr(walk.path, '/') + 1 : walk.path;
        if (walk.dir_end)
            continue;
        if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0 || !*name)
            return failed("its squashfs image has an entry that would be written elsewhere");
        if (sqfs_inode_get(&fs, &inode, walk.entry.inode) != SQFS_OK)
            return failed("its squashfs image is damaged");
        if (pattern && fnmatch(pattern, walk.path, FNM_FILE_NAME | FNM_LEADING_DIR) != 0)
            continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, walk.path) >= (int) sizeof path)
            return failed("its squashfs image has a path that is too long");
        for (char *slash = path + strlen(folder); pattern && (slash = strchr(slash + 1, '/'));) {
            *slash = 0;
            mkdir(path, 0755);
            *slash = '/';
        }
        status = write_entry(&fs, &inode, path);
    }
    sqfs_traverse_close(&walk);
    close(fs.fd);
    return error == SQFS_OK ? status : failed("its squashfs image is damaged");
}

static int drop(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void) about, (void) kind, (void) where;
    return remove(path);
}

static int remove_folder(const char *folder)
{
    return nftw(folder, drop, 16, FTW_DEPTH | FTW_MOUNT | FTW_PHYS);
}

static void fresh_folder(char *folder, size_t size, const char *kind, const char *rest)
{
    const char *base = getenv("TMPDIR");
    if (snprintf(folder, size, "%s/%s%sXXXXXX", base ? base : "/tmp", kind, rest) >= (int) size)
        end("TMPDIR: too long");
    if (!mkdtemp(folder))
        end("%s: %s", folder, strerror(errno));
}

static void start(const char *folder, char **argv)
{
    char program[PATH_MAX + 8];
    setenv("APPIMAGE", self, 1);
    setenv("ARGV0", argv[0] ? argv[0] : self, 1);
    setenv("APPDIR", folder, 1);
    snprintf(program, sizeof program, "%s/AppRun", folder);
    execv(program, argv);
    fprintf(stderr, "execv error: %s: %s\n", program, strerror(errno));
    _exit(NOT_STARTED);
}

static int unpack_and_run(char **argv)
{
    char folder[PATH_MAX], name[64];
    struct squashfs_super_block super;
    uint64_t digest = 0xcbf29ce484222325u; /* FNV-1a of the image's superblock */
    int file = open(ITSELF, O_RDONLY | O_CLOEXEC), status = 0;
    if (file < 0 || pread(file, &super, sizeof super, offset) != sizeof super)
        end("cannot be read");
    close(file);
    for (size_t i = 0; i < sizeof super; i++)
        digest = (digest ^ ((unsigned char *) &super)[i]) * 0x100000001b3u;
    snprintf(name, sizeof name, "%016llx_%d_", (unsigned long long) digest, (int) getpid());
    fresh_folder(folder, sizeof folder, "appimage_extracted_", name);
    if (unpack(folder, NULL) != 0) {
        remove_folder(folder);
        exit(NOT_STARTED);
    }
    pid_t child = fork();
    if (child < 0)
        end("fork: %s", strerror(errno));
    if (child == 0) {
        char **put = argv[0] ? argv + 1 : argv;
        setenv("ARGV0", argv[0] ? argv[0] : self, 1);
        for (char **word = put; *word; word++)
            if (strcmp(*word, "--appimage-extract-and-run") != 0)
                *put++ = *word;
        *put = NULL;
        start(folder, argv);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    status = WIFEXITED(status) ? WEXITSTATUS(status) : NOT_STARTED;
    if (!getenv("NO_CLEANUP") && remove_folder(folder) != 0) {
        failed("%s: cannot be removed: %s", folder, strerror(errno));
        status = status ? status : NOT_STARTED;
    }
    return status;
}

static struct fuse_lowlevel_ops operations = {
    .getattr = sqfs_ll_op_getattr, .opendir = sqfs_ll_op_opendir, .releasedir = sqfs_ll_op_releasedir,
    .readdir = sqfs_ll_op_readdir, .lookup = sqfs_ll_op_lookup, .open = sqfs_ll_op_open,
    .create = sqfs_ll_op_create, .release = sqfs_ll_op_release, .read = sqfs_ll_op_read,
    .readlink = sqfs_ll_op_readlink, .listxattr = sqfs_ll_op_listxattr, .getxattr = sqfs_ll_op_getxattr,
    .forget = sqfs_ll_op_forget, .statfs = stfs_ll_op_statfs,
};

/* Answer the kernel until nobody reads the pipe any more: the application and its children have ended. */
static void serve(struct fuse_session *session, int pipe_end)
{
    struct fuse_buf buffer = {0};
    struct pollfd waiting[2] = {{fuse_session_fd(session), POLLIN, 0}, {pipe_end, 0, 0}};
    fcntl(waiting[0].fd, F_SETFL, fcntl(waiting[0].fd, F_GETFL) | O_NONBLOCK);
    while (!fuse_session_exited(session)) {
        if (poll(waiting, 2, -1) < 0)
            continue;
        if (waiting[0].revents) {
            int got = fuse_session_receive_buf(session, &buffer);
            if (got > 0)
                fuse_session_process_buf(session, &buffer);
            else if (got != -EINTR && got != -EAGAIN)
                break;
        } else if (waiting[1].revents & POLLERR) {
            break;
        }
    }
    free(buffer.mem);
}

/* The second process: mount, tell the first one by a byte, serve, take everything away again. */
static void mount_and_serve(const char *folder, int pipe_end)
{
    char *words[] = {VERSION_NAME, "-o", "ro,nosuid,nodev,fsname=appimage,subtype=squashfuse", NULL};
    struct fuse_args args = FUSE_ARGS_INIT(3, words);
    sqfs_ll_chan channel;
    sqfs_ll *image = sqfs_ll_open(ITSELF, offset);
    signal(SIGPIPE, SIG_IGN);
    setsid();
    if (!image
        || sqfs_ll_mount(&channel, folder, &args, &operations, sizeof operations, image) != SQFS_OK) {
        rmdir(folder);
        fputs("Cannot mount AppImage, please check your FUSE setup; APPIMAGE_EXTRACT_AND_RUN=1 starts it "
              "without, --appimage-extract unpacks it.\n", stderr);
        _exit(NOT_STARTED);
    }
    fuse_set_signal_handlers(channel.session);
    int null = open("/dev/null", O_RDWR);
    for (int stream = 0; stream < 3 && null >= 0; stream++)
        dup2(null, stream);
    if (chdir("/") == 0 && write(pipe_end, "", 1) == 1)
        serve(channel.session, pipe_end);
    sqfs_ll_unmount(&channel, folder);
    rmdir(folder);
    _exit(0);
}

static void mount_and_run(char **argv, int only_mount)
{
    char folder[PATH_MAX], name[PATH_MAX], short_name[8], byte;
    int ends[2];
    snprintf(name, sizeof name, "%s", argv[0] ? argv[0] : self);
    snprintf(short_name, sizeof short_name, "%.6s", basename(name));
    fresh_folder(folder, sizeof folder, ".mount_", short_name);
    if (pipe(ends) != 0)
        end("pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        end("fork: %s", strerror(errno));
    if (child == 0) {
        /* Twice, so that the application has no child that it does not know. */
        close(ends[0]);
        if (fork() == 0)
            mount_and_serve(folder, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    ssize_t got;
    while ((got = read(ends[0], &byte, 1)) < 0 && errno == EINTR) {}
    if (got != 1)
        exit(NOT_STARTED);
    if (only_mount) {
        puts(folder);
        fflush(stdout);
        for (;;)
            pause();
    }
    char *here = getcwd(NULL, 0);
    if (here)
        setenv("OWD", here, 1);
    start(folder, argv);
}

int main(int argc, char **argv)
{
    const char *option = NULL;
    ssize_t length = readlink(ITSELF, self, sizeof self - 1);
    int file = open(ITSELF, O_RDONLY | O_CLOEXEC);
    if (length < 0 || file < 0)
        end(ITSELF ": %s", strerror(errno));
    offset = end_of_elf(file);
    /* Only the first word that begins with two dashes can be ours. */
    for (int i = 1; i < argc && !option; i++)
        if (strncmp(argv[i], "--", 2) == 0)
            option = argv[i] + 2;
    if (!option)
        option = "";
    if (strcmp(option, "appimage-offset") == 0)
        return printf("%llu\n", (unsigned long long) offset) < 0;
    if (strcmp(option, "appimage-version") == 0)
        return fputs("AppImage runtime version: " VERSION_NAME "\n", stderr) < 0;
    check_image(file);
    close(file);
    if (strcmp(option, "appimage-extract") == 0) {
        if (argc > 3)
            return fprintf(stderr, "Unexpected argument count: %d\n", argc - 1) > 0;
        if (mkdir("squashfs-root", 0755) != 0 && errno != EEXIST)
            return failed("squashfs-root: %s", strerror(errno)) != 0;
        return unpack("squashfs-root", argc == 3 ? argv[2] : NULL) != 0;
    }
    if (getenv("APPIMAGE_EXTRACT_AND_RUN") || strcmp(option, "appimage-extract-and-run") == 0)
        return unpack_and_run(argv);
    if (strncmp(option, "appimage-", 9) == 0 && strcmp(option, "appimage-mount") != 0)
        return fprintf(stderr, "--%s is not yet implemented in version %s\n", option, VERSION_NAME) > 0;
    mount_and_run(argv, strcmp(option, "appimage-mount") == 0);
    return NOT_STARTED;
}
