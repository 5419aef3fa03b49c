/* Look-ups of users, groups, hosts and services: none. In a static file glibc's would load the modules of whatever
 * glibc the system has, which may be another, or of none. Python's C modules name them; nothing of ours calls them:
 * these stand in their place, and say that nobody knows.
 */

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

int
getgrouplist(const char *user, gid_t group, gid_t *groups, int *count)
{
    errno = ENOSYS;
    return -1;
}

int
initgroups(const char *user, gid_t group)
{
    errno = ENOSYS;
    return -1;
}

char *
getlogin(void)
{
    errno = ENOSYS;
    return NULL;
}

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    return EAI_FAIL;
}

void
freeaddrinfo(struct addrinfo *found)
{
}

int
getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_length, char *service,
            socklen_t service_length, int flags)
{
    return EAI_FAIL;
}

const char *
gai_strerror(int code)
{
    return "no look-ups in this program";
}

int
gethostbyname_r(const char *name, struct hostent *into, char *buffer, size_t length, struct hostent **found, int *code)
{
    *found = NULL;
    *code = NO_RECOVERY;
    return ENOSYS;
}

int
gethostbyaddr_r(const void *address, socklen_t size, int type, struct hostent *into, char *buffer, size_t length,
                struct hostent **found, int *code)
{
    *found = NULL;
    *code = NO_RECOVERY;
    return ENOSYS;
}

struct servent *
getservbyname(const char *name, const char *protocol)
{
    return NULL;
}

struct servent *
getservbyport(int port, const char *protocol)
{
    return NULL;
}

struct protoent *
getprotobyname(const char *name)
{
    return NULL;
}

/* Nothing is loaded, either: what Python imports is inside. These stand for Python/dynload_shlib.c. */
const char *_PyImport_DynLoadFiletab[] = {NULL};
typedef void (*function)(void);

function
_PyImport_FindSharedFuncptr(const char *prefix, const char *name, const char *path, FILE *file)
{
    return NULL;
}

/* psutil's heap.c, compiled with other names for dlopen(3) and dlsym(3), asks for other allocators by them. */
void *
one_file_dlopen(const char *path, int mode)
{
    return NULL;
}

void *
one_file_dlsym(void *library, const char *name)
{
    return NULL;
}

/* What `binascii` wants of zlib, which is used nowhere here. The polynomial of ISO 3309, bit by bit. */
unsigned long
crc32(unsigned long sum, const unsigned char *bytes, unsigned int length)
{
    sum = ~sum & 0xffffffffUL;
    for (; length > 0; length--, bytes++) {
        sum ^= *bytes;
        for (int bit = 0; bit < 8; bit++) {
            sum = sum & 1 ? sum >> 1 ^ 0xedb88320UL : sum >> 1;
        }
    }
    return ~sum & 0xffffffffUL;
}
