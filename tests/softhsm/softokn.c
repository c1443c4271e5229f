/* NSS's softokn as a module that any program loads: C_Initialize gets the parameters that it insists on.
 *
 * $TMSD_TEST_MODULE is libsoftokn3.so, $TMSD_TEST_PARAMETERS what it is told: where its database is, and more.
 */

#include <dlfcn.h>
#include <stdlib.h>

/* CK_FUNCTION_LIST (PKCS#11 2.40, section 5.1): a version, then 68 pointers in a fixed order. */
enum { INITIALIZE = 0, FUNCTIONS = 68 };
enum { CKR_OK = 0, CKR_GENERAL_ERROR = 5, CKF_OS_LOCKING_OK = 2 };

struct functions {
    void *version;
    void *at[FUNCTIONS];
};

/* CK_C_INITIALIZE_ARGS (section 3.7). */
struct initialize_arguments {
    void *functions_of_mutexes[4];
    unsigned long flags;
    void *reserved;
};

static struct functions ours, *theirs;

static unsigned long initialize(void *ignored)
{
    struct initialize_arguments arguments = {
        .flags = CKF_OS_LOCKING_OK,
        .reserved = getenv("TMSD_TEST_PARAMETERS"),
    };
    (void)ignored;
    return ((unsigned long (*)(void *))theirs->at[INITIALIZE])(&arguments);
}

unsigned long C_GetFunctionList(struct functions **list)
{
    void *module = dlopen(getenv("TMSD_TEST_MODULE"), RTLD_NOW | RTLD_LOCAL);
    unsigned long (*their_list)(struct functions **) = module ? dlsym(module, "C_GetFunctionList") : NULL;
    if (!their_list || their_list(&theirs) != CKR_OK)
        return CKR_GENERAL_ERROR;
    ours = *theirs;
    ours.at[INITIALIZE] = initialize;
    *list = &ours;
    return CKR_OK;
}
