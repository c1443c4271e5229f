/* A PKCS#11 module that has another one work in another process, as network HSMs do.
 *
 * p11-kit's client and server are such a pair, too, but hand on few mechanisms (p11_kit.py). Built as it
 * is, this is the client. With -DSERVER it is the program $TMSD_TEST_SERVER, which the client starts; the
 * module there is $TMSD_TEST_MODULE_OF_SERVER. The two share a piece of memory at one address, so that what
 * a call is given there can be used by the module as it stands, and nothing else of each other.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INITIALIZE = 0, FINALIZE = 1, GET_FUNCTION_LIST = 3, FUNCTIONS = 68, ARGUMENTS = 8 };
enum { CKR_OK = 0, CKR_GENERAL_ERROR = 5, CKR_FUNCTION_NOT_SUPPORTED = 0x54 };
enum { SHARED_BYTES = 1 << 20 };
#define SHARED_AT ((void *)0x200000000000)

/* CK_FUNCTION_LIST (PKCS#11 2.40, section 5.1), CK_ATTRIBUTE and CK_MECHANISM. */
struct functions {
    void *version;
    void *at[FUNCTIONS];
};
struct attribute {
    unsigned long type;
    void *value;
    unsigned long length;
};
struct mechanism {
    unsigned long type;
    void *parameter;
    unsigned long length;
};

struct call {
    unsigned long function, result, arguments[ARGUMENTS];
};

typedef unsigned long any_function(
    unsigned long, unsigned long, unsigned long, unsigned long, unsigned long, unsigned long, unsigned long,
    unsigned long);
typedef unsigned long list_function(struct functions **);

static struct call *map_shared(int file)
{
    int flags = MAP_SHARED | MAP_FIXED_NOREPLACE;
    void *mapped = mmap(SHARED_AT, SHARED_BYTES, PROT_READ | PROT_WRITE, flags, file, 0);
    return mapped == SHARED_AT ? mapped : NULL;
}

#ifdef SERVER

int main(int count, char **arguments)
{
    int memory = atoi(arguments[1]), connection = atoi(arguments[2]);
    for (int other = 3; other < 1024; other++)
        if (other != memory && other != connection)
            close(other); /* the worker's, which its end must close */
    struct call *call = map_shared(memory);
    void *module = dlopen(getenv("TMSD_TEST_MODULE_OF_SERVER"), RTLD_NOW);
    struct functions *functions;
    if (count != 3 || !call || !module || ((list_function *)dlsym(module, "C_GetFunctionList"))(&functions))
        return 1;
    for (char turn; read(connection, &turn, 1) == 1 && write(connection, &turn, 1) == 1;) {
        unsigned long *a = call->arguments;
        any_function *function = (any_function *)functions->at[call->function];
        call->result = function(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
        if (write(connection, &turn, 1) != 1)
            break;
    }
    return 0;
}

#else

/* What the arguments of each function are, one letter each:
 *   v a number            0 a null pointer        S a structure that is returned, of `size` bytes
 *   H a returned number   M a mechanism           B bytes, their number follows
 *   R returned bytes, their number follows        O returned bytes, a pointer to their number follows
 *   A returned numbers, a pointer to their number follows     F returned numbers, at most as many as follows
 *   T a template          G a template that is filled; the number of attributes follows
 */
static const struct shape {
    const char *arguments;
    unsigned long size;
} shapes[FUNCTIONS] = {
    [INITIALIZE] = {"0", 0},    [FINALIZE] = {"0", 0},      [2] = {"S", 88},      [4] = {"vA.", 0},
    [5] = {"vS", 112},          [6] = {"vS", 208},          [7] = {"vA.", 0},     [8] = {"vvS", 24},
    [12] = {"vv00H", 0},        [13] = {"v", 0},            [14] = {"v", 0},      [15] = {"vS", 32},
    [18] = {"vvB.", 0},         [19] = {"v", 0},            [20] = {"vT.H", 0},   [21] = {"vvT.H", 0},
    [22] = {"vv", 0},           [24] = {"vvG.", 0},         [25] = {"vvT.", 0},   [26] = {"vT.", 0},
    [27] = {"vF.H", 0},         [28] = {"v", 0},            [29] = {"vMv", 0},    [30] = {"vB.O.", 0},
    [31] = {"vB.O.", 0},        [32] = {"vO.", 0},          [33] = {"vMv", 0},    [34] = {"vB.O.", 0},
    [35] = {"vB.O.", 0},        [36] = {"vO.", 0},          [42] = {"vMv", 0},    [43] = {"vB.O.", 0},
    [44] = {"vB.", 0},          [45] = {"vO.", 0},          [48] = {"vMv", 0},    [49] = {"vB.B.", 0},
    [50] = {"vB.", 0},          [51] = {"vB.", 0},          [58] = {"vMT.H", 0},  [59] = {"vMT.T.HH", 0},
    [60] = {"vMvvO.", 0},       [61] = {"vMvB.T.H", 0},     [62] = {"vMvT.H", 0}, [63] = {"vB.", 0},
    [64] = {"vR.", 0},
};

static struct functions ours;
static struct call *call;
static int connection = -1;
static pid_t server;

static char *unused; /* of the shared memory; it begins anew with each call */

static void *share(const void *bytes, unsigned long length)
{
    if (!bytes)
        return NULL;
    char *copy = unused;
    if (length > (unsigned long)((char *)SHARED_AT + SHARED_BYTES - unused))
        abort();
    unused += (length + 15) & ~15ul;
    return memcpy(copy, bytes, length);
}

/* The parameters that have pointers to data and their length at the end: CKM_*_ECB_ENCRYPT_DATA has nothing
 * else there, and CKM_*_CBC_ENCRYPT_DATA an IV before.
 */
static void *share_parameter(const struct mechanism *mechanism)
{
    char *shared = share(mechanism->parameter, mechanism->length);
    if (mechanism->type >= 0x1100 && mechanism->type <= 0x1105) {
        void **data = (void **)(shared + mechanism->length - 16);
        *data = share(*data, *(unsigned long *)(data + 1));
    }
    return shared;
}

static unsigned long share_mechanism(unsigned long at)
{
    struct mechanism *shared = share((void *)at, sizeof *shared);
    shared->parameter = share_parameter(shared);
    return (unsigned long)shared;
}

static unsigned long share_template(unsigned long at, unsigned long count)
{
    struct attribute *shared = share((void *)at, count * sizeof *shared);
    for (unsigned long n = 0; shared && n < count; n++)
        shared[n].value = share(shared[n].value, shared[n].length);
    return (unsigned long)shared;
}

static void fill(struct attribute *asked, const struct attribute *filled, unsigned long count)
{
    for (unsigned long n = 0; n < count; n++) {
        if (asked[n].value && filled[n].length <= asked[n].length)
            memcpy(asked[n].value, filled[n].value, filled[n].length);
        asked[n].length = filled[n].length;
    }
}

/* Takes what is returned back to where the caller wants it: number, then bytes. */
static void take(void *to, const void *from, unsigned long length)
{
    if (to && from)
        memcpy(to, from, length);
}

static unsigned long at_work(void)
{
    char turn = 0;
    if (write(connection, &turn, 1) != 1 || read(connection, &turn, 1) != 1 || read(connection, &turn, 1) != 1)
        return CKR_GENERAL_ERROR;
    return call->result;
}

static unsigned long forward(int function, unsigned long *given)
{
    const struct shape *shape = &shapes[function];
    if (!shape->arguments)
        return CKR_FUNCTION_NOT_SUPPORTED;
    unsigned long *shared = call->arguments;
    unused = (char *)(call + 1);
    call->function = function;
    for (int n = 0; shape->arguments[n]; n++) {
        void *pointer = (void *)given[n];
        unsigned long next = given[n + 1];
        switch (shape->arguments[n]) {
        case 'v': shared[n] = given[n]; break;
        case '0': shared[n] = 0; break;
        case 'S': shared[n] = (unsigned long)share(pointer, shape->size); break;
        case 'H': shared[n] = (unsigned long)share(pointer, sizeof(long)); break;
        case 'M': shared[n] = share_mechanism(given[n]); break;
        case 'B':
        case 'R': shared[n] = (unsigned long)share(pointer, next), shared[n + 1] = next; break;
        case 'F': shared[n] = (unsigned long)share(pointer, next * sizeof(long)), shared[n + 1] = next; break;
        case 'O':
        case 'A':
            shared[n] = (unsigned long)share(
                pointer, *(unsigned long *)next * (shape->arguments[n] == 'A' ? sizeof(long) : 1));
            shared[n + 1] = (unsigned long)share((void *)next, sizeof(long));
            break;
        case 'T':
        case 'G': shared[n] = share_template(given[n], next), shared[n + 1] = next; break;
        }
    }
    unsigned long result = at_work();
    for (int n = 0; shape->arguments[n]; n++) {
        void *to = (void *)given[n], *from = (void *)shared[n];
        unsigned long next = given[n + 1];
        switch (shape->arguments[n]) {
        case 'S': take(to, from, shape->size); break;
        case 'H': take(to, from, sizeof(long)); break;
        case 'R': take(to, from, next); break;
        case 'F': take(to, from, next * sizeof(long)); break;
        case 'O':
        case 'A':
            take((void *)next, (void *)shared[n + 1], sizeof(long));
            if (result == CKR_OK)
                take(to, from, *(unsigned long *)next * (shape->arguments[n] == 'A' ? sizeof(long) : 1));
            break;
        case 'G': fill(to, from, next); break;
        }
    }
    return result;
}

static int start_server(void)
{
    int pair[2], memory = memfd_create("calls", 0);
    if (memory < 0 || ftruncate(memory, SHARED_BYTES) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
        return 0;
    char numbers[2][12], *program = getenv("TMSD_TEST_SERVER");
    snprintf(numbers[0], sizeof numbers[0], "%d", memory);
    snprintf(numbers[1], sizeof numbers[1], "%d", pair[1]);
    char *arguments[] = {program, numbers[0], numbers[1], NULL};
    call = map_shared(memory);
    int started = call && !posix_spawn(&server, program, NULL, NULL, arguments, environ);
    close(memory);
    close(pair[1]);
    connection = pair[0];
    return started;
}

static void end_server(void)
{
    close(connection);
    waitpid(server, NULL, 0);
    munmap(call, SHARED_BYTES);
}

#define PARAMETERS                                                                                        \
    unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e, unsigned long f, \
        unsigned long g, unsigned long h

static unsigned long function(int number, PARAMETERS)
{
    if (number == INITIALIZE && !start_server())
        return CKR_GENERAL_ERROR;
    unsigned long given[ARGUMENTS + 1] = {a, b, c, d, e, f, g, h};
    unsigned long result = forward(number, given);
    if (number == FINALIZE)
        end_server();
    return result;
}

#define TENS(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7) X(n##8) X(n##9)
#define EACH(X)                                                                                            \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)                                                      \
    TENS(X, 1) TENS(X, 2) TENS(X, 3) TENS(X, 4) TENS(X, 5)                                                 \
    X(60) X(61) X(62) X(63) X(64) X(65) X(66) X(67)
#define DEFINE(n)                                                                                          \
    static unsigned long function_##n(PARAMETERS) { return function(n, a, b, c, d, e, f, g, h); }
#define ENTER(n) ours.at[n] = function_##n;

EACH(DEFINE)

unsigned long C_GetFunctionList(struct functions **list)
{
    static unsigned char version[2] = {2, 40};
    memcpy(&ours.version, version, sizeof version);
    EACH(ENTER)
    ours.at[GET_FUNCTION_LIST] = C_GetFunctionList;
    *list = &ours;
    return CKR_OK;
}

#endif
