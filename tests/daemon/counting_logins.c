/* A PKCS#11 module in front of SoftHSM that notes each C_Login: process and return value, a line each.
 *
 * It says nothing of wrong PINs in the token's flags, as some HSMs do not: SoftHSM's own flag would
 * keep a second login away, whatever became of the latch file.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* CK_FUNCTION_LIST (PKCS#11 2.40, section 5.1): a version, then 68 pointers in a fixed order. */
enum { GET_FUNCTION_LIST = 3, GET_TOKEN_INFO = 6, LOGIN = 18, FUNCTIONS = 68 };

/* CKF_USER_PIN_COUNT_LOW, _FINAL_TRY and _LOCKED (section 3.2). */
#define PIN_FLAGS 0x70000ul

struct functions {
    void *version;
    void *at[FUNCTIONS];
};
typedef unsigned long login_function(unsigned long, unsigned long, unsigned char *, unsigned long);
/* CK_TOKEN_INFO as far as it matters here: label, manufacturer, model and serial number come first. */
struct token_info {
    unsigned char texts[32 + 32 + 16 + 16];
    unsigned long flags;
};
typedef unsigned long info_function(unsigned long, struct token_info *);
typedef unsigned long list_function(struct functions **);

static struct functions ours, *theirs;

static unsigned long login(unsigned long session, unsigned long user, unsigned char *pin, unsigned long length)
{
    unsigned long result = ((login_function *)theirs->at[LOGIN])(session, user, pin, length);
    char line[64];
    int written = snprintf(line, sizeof line, "%d %lx\n", (int)getpid(), result);
    int file = open(getenv("TMSD_TEST_LOGINS"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (file < 0 || write(file, line, written) != written)
        abort();
    close(file);
    return result;
}

static unsigned long token_info(unsigned long slot, struct token_info *info)
{
    unsigned long result = ((info_function *)theirs->at[GET_TOKEN_INFO])(slot, info);
    if (result == 0)
        info->flags &= ~PIN_FLAGS;
    return result;
}

unsigned long C_GetFunctionList(struct functions **list)
{
    if (!theirs) {
        void *module = dlopen(getenv("TMSD_TEST_MODULE"), RTLD_NOW);
        if (!module || ((list_function *)dlsym(module, "C_GetFunctionList"))(&theirs))
            return 5; /* CKR_GENERAL_ERROR */
        ours = *theirs;
        ours.at[GET_FUNCTION_LIST] = C_GetFunctionList;
        ours.at[GET_TOKEN_INFO] = token_info;
        ours.at[LOGIN] = login;
    }
    *list = &ours;
    return 0;
}
