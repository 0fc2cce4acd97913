/* Below a mail server that is started by an ordinary user: it takes itself for root, gives root up in words alone, and
   owns what it makes. Everything else is the kernel's, so it can do no more than that user can. */
#include <grp.h>
#include <sys/types.h>
#include <unistd.h>

static uid_t effective_user, real_user;
static gid_t effective_group, real_group;

uid_t getuid(void) { return real_user; }
uid_t geteuid(void) { return effective_user; }
gid_t getgid(void) { return real_group; }
gid_t getegid(void) { return effective_group; }

int setuid(uid_t user)
{
    if (effective_user == 0)
        real_user = user;
    effective_user = user;
    return 0;
}

int setgid(gid_t group)
{
    if (effective_user == 0)
        real_group = group;
    effective_group = group;
    return 0;
}

int seteuid(uid_t user)
{
    effective_user = user;
    return 0;
}

int setegid(gid_t group)
{
    effective_group = group;
    return 0;
}

int setgroups(size_t count, const gid_t *list) { return 0; }
int initgroups(const char *user, gid_t group) { return 0; }
int chown(const char *path, uid_t user, gid_t group) { return 0; }
int fchown(int file, uid_t user, gid_t group) { return 0; }
