/* Counts C_Login: each call appends a byte to the file that $COUNTED_LOGINS names. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long CK_RV, CK_ULONG;
typedef CK_RV (*login_function)(CK_ULONG, CK_ULONG, unsigned char *, CK_ULONG);

/* CK_FUNCTION_LIST (PKCS#11 2.40, section 5.1): a version, then pointers in a fixed order. */
enum { FUNCTIONS = 68, C_LOGIN = 18, CKR_GENERAL_ERROR = 5 };
struct function_list {
    unsigned char version[2];
    void *functions[FUNCTIONS];
};

static struct function_list ours, *theirs;

static CK_RV count_login(CK_ULONG session, CK_ULONG user, unsigned char *pin, CK_ULONG length) {
    int file = open(getenv("COUNTED_LOGINS"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (file < 0 || write(file, ".", 1) != 1) return CKR_GENERAL_ERROR;
    close(file);
    return ((login_function)theirs->functions[C_LOGIN])(session, user, pin, length);
}

CK_RV C_GetFunctionList(struct function_list **list) {
    void *module = dlopen(getenv("COUNTED_MODULE"), RTLD_NOW | RTLD_LOCAL);
    CK_RV (*get)(struct function_list **) = module ? dlsym(module, "C_GetFunctionList") : NULL;
    if (!get || get(&theirs)) return CKR_GENERAL_ERROR;
    memcpy(&ours, theirs, sizeof ours);
    ours.functions[C_LOGIN] = count_login;
    *list = &ours;
    return 0;
}
