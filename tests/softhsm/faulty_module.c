/* A PKCS#11 module in front of another that fails, dawdles, hangs, leaks or dies as it is told, at any moment.
 *
 * $TMSD_TEST_MODULE is the module behind. $TMSD_TEST_ORDERS is a file that all processes share by
 * mmap(2): `struct orders`, which tests/softhsm/faulty_module.py writes and reads.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "function_list.h"

enum { GET_FUNCTION_LIST = 3, GET_TOKEN_INFO = 6, GET_ATTRIBUTE_VALUE = 24 };
enum { INIT_TOKEN = 9, INIT_PIN = 10, CREATE_OBJECT = 20, COPY_OBJECT = 21, DESTROY_OBJECT = 22 };
enum { SET_ATTRIBUTE_VALUE = 25, GENERATE_KEY = 58, GENERATE_KEY_PAIR = 59, UNWRAP_KEY = 61 };
enum { CKR_OK = 0, CKR_GENERAL_ERROR = 5 };

/* CKF_USER_PIN_COUNT_LOW, _FINAL_TRY and _LOCKED (section 3.2). */
#define PIN_FLAGS 0x70000ul
#define FOREVER (~0ul)

struct orders {
    unsigned long conceals_pin_flags; /* as HSMs that say nothing of wrong PINs */
    struct order {
        unsigned long calls;        /* so far */
        unsigned long errors;       /* of them, those that the module behind did not call CKR_OK */
        unsigned long met;          /* of them, those that met an order */
        unsigned long remaining;    /* how many more shall meet this one; FOREVER: all */
        unsigned long milliseconds; /* how long they are delayed; FOREVER: they hang */
        unsigned long result;       /* what they return; CKR_OK: what the module behind does */
        unsigned long afterwards;   /* whether that module is called first */
        unsigned long leaked;       /* bytes that they allocate and never free */
        unsigned long changes;      /* of the calls, those that change what the token keeps */
        unsigned long fatal;        /* the number of the change, from 1, at which the process is killed; or 0 */
    } of[FUNCTIONS];
};

/* CK_TOKEN_INFO as far as it matters here: label, manufacturer, model and serial number come first. */
struct token_info {
    unsigned char texts[32 + 32 + 16 + 16];
    unsigned long flags;
};

/* CK_ATTRIBUTE (section 4.1). */
enum { CKA_TOKEN = 1 };
struct attribute {
    unsigned long type;
    void *value;
    unsigned long length;
};

static struct functions ours, *theirs;
static struct orders *orders;

static unsigned long call_behind(int number, PARAMETERS)
{
    unsigned long result = ((any_function *)theirs->at[number])(ARGUMENTS);
    if (result != CKR_OK)
        __atomic_add_fetch(&orders->of[number].errors, 1, __ATOMIC_SEQ_CST);
    else if (number == GET_TOKEN_INFO && orders->conceals_pin_flags)
        ((struct token_info *)b)->flags &= ~PIN_FLAGS;
    return result;
}

static int is_kept(struct attribute *template, unsigned long count)
{
    for (unsigned long at = 0; at < count; at++)
        if (template[at].type == CKA_TOKEN)
            return *(unsigned char *)template[at].value;
    return 0;
}

static int is_kept_object(unsigned long session, unsigned long object)
{
    unsigned char kept = 0;
    struct attribute token = {CKA_TOKEN, &kept, sizeof kept};
    ((any_function *)theirs->at[GET_ATTRIBUTE_VALUE])(
        session, object, (unsigned long)&token, 1, 0, 0, 0, 0);
    return kept;
}

/* Whether a call changes what the token keeps; objects of a session end with the process anyway. */
static int changes(int number, PARAMETERS)
{
    switch (number) {
    case INIT_TOKEN:
    case INIT_PIN:
        return 1;
    case CREATE_OBJECT:
        return is_kept((struct attribute *)b, c);
    case COPY_OBJECT:
    case GENERATE_KEY:
        return is_kept((struct attribute *)c, d);
    case GENERATE_KEY_PAIR:
        return is_kept((struct attribute *)e, f);
    case UNWRAP_KEY:
        return is_kept((struct attribute *)f, g);
    case DESTROY_OBJECT:
    case SET_ATTRIBUTE_VALUE:
        return is_kept_object(a, b);
    default:
        return 0;
    }
}

static int meets(struct order *order)
{
    unsigned long remaining = __atomic_load_n(&order->remaining, __ATOMIC_SEQ_CST);
    while (remaining != 0 && remaining != FOREVER)
        if (__atomic_compare_exchange_n(
                &order->remaining, &remaining, remaining - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            break;
    return remaining != 0;
}

static void delay(unsigned long milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (milliseconds == FOREVER)
        pause();
    nanosleep(&time, NULL);
}

static void leak(unsigned long bytes)
{
    static void *volatile lost;
    lost = memset(malloc(bytes), 1, bytes);
}

static unsigned long call(int number, PARAMETERS)
{
    struct order *order = &orders->of[number];
    __atomic_add_fetch(&order->calls, 1, __ATOMIC_SEQ_CST);
    int is_fatal = changes(number, ARGUMENTS) &&
        __atomic_add_fetch(&order->changes, 1, __ATOMIC_SEQ_CST) == order->fatal;
    if (is_fatal) {
        if (order->afterwards)
            call_behind(number, ARGUMENTS);
        kill(getpid(), SIGKILL);
    }
    if (!meets(order))
        return call_behind(number, ARGUMENTS);
    unsigned long milliseconds = order->milliseconds, ordered = order->result, result = CKR_OK;
    int afterwards = order->afterwards;
    if (afterwards)
        result = call_behind(number, ARGUMENTS);
    __atomic_add_fetch(&order->met, 1, __ATOMIC_SEQ_CST);
    if (order->leaked)
        leak(order->leaked);
    delay(milliseconds);
    if (ordered != CKR_OK)
        return ordered;
    return afterwards ? result : call_behind(number, ARGUMENTS);
}

EACH_FUNCTION(DEFINE_FUNCTION)

unsigned long C_GetFunctionList(struct functions **list)
{
    if (!theirs) {
        void *module = dlopen(getenv("TMSD_TEST_MODULE"), RTLD_NOW);
        int file = open(getenv("TMSD_TEST_ORDERS"), O_RDWR | O_CLOEXEC);
        if (!module || file < 0)
            return CKR_GENERAL_ERROR;
        orders = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (orders == MAP_FAILED || ((list_function *)dlsym(module, "C_GetFunctionList"))(&theirs))
            return CKR_GENERAL_ERROR;
        ours.version = theirs->version;
        EACH_FUNCTION(ENTER_FUNCTION)
        ours.at[GET_FUNCTION_LIST] = C_GetFunctionList;
    }
    *list = &ours;
    return CKR_OK;
}
