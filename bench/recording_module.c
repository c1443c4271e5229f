/* A PKCS#11 module in front of another that writes down which calls it forwards.
 *
 * $TMSD_BENCH_MODULE is the module behind. Each call becomes a line of the file $TMSD_BENCH_CALLS:
 * the function's number in the list, its mechanism, the length of what it processes, and the
 * template of a new key as type=value pairs; - for what it has not, and ? for the length where the
 * call only asks how long its answer will be.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "function_list.h"

enum { GET_FUNCTION_LIST = 3 };
enum { CKR_OK = 0, CKR_GENERAL_ERROR = 5 };

/* Places in the list, of what has a mechanism as its second argument, and of what has data. */
enum { ENCRYPT_INIT = 29, ENCRYPT = 30, DECRYPT_INIT = 33, DECRYPT = 34, SIGN_INIT = 42, SIGN = 43 };
enum { WRAP_KEY = 60, DERIVE_KEY = 62, GENERATE_RANDOM = 64 };

/* CK_ATTRIBUTE, and the beginning of CK_MECHANISM. */
struct attribute {
    unsigned long type;
    unsigned char *value;
    unsigned long length;
};

static struct functions ours, *theirs;
static int calls;

static void write_template(char **end, const struct attribute *attributes, unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        *end += sprintf(*end, "%s%lx=", i ? "," : "", attributes[i].type);
        for (unsigned long at = 0; at < attributes[i].length && at < 8; at++)
            *end += sprintf(*end, "%02x", attributes[i].value[at]);
    }
}

static void write_call(int number, PARAMETERS)
{
    char line[1024], *end = line;
    end += sprintf(end, "%d ", number);
    if (number == ENCRYPT_INIT || number == DECRYPT_INIT || number == SIGN_INIT || number == WRAP_KEY ||
        number == DERIVE_KEY)
        end += sprintf(end, "%lx ", *(unsigned long *)b);
    else
        end += sprintf(end, "- ");
    if (number == ENCRYPT || number == DECRYPT || number == SIGN)
        end += d ? sprintf(end, "%lu ", c) : sprintf(end, "? ");
    else if (number == GENERATE_RANDOM)
        end += sprintf(end, "%lu ", c);
    else
        end += sprintf(end, "- ");
    if (number == DERIVE_KEY && e <= 24)
        write_template(&end, (struct attribute *)d, e);
    else
        end += sprintf(end, "-");
    *end++ = '\n';
    if (write(calls, line, end - line) != end - line)
        abort();
    (void)f, (void)g, (void)h;
}

static unsigned long call(int number, PARAMETERS)
{
    write_call(number, ARGUMENTS);
    return ((any_function *)theirs->at[number])(ARGUMENTS);
}

EACH_FUNCTION(DEFINE_FUNCTION)

unsigned long C_GetFunctionList(struct functions **list)
{
    if (!theirs) {
        void *module = dlopen(getenv("TMSD_BENCH_MODULE"), RTLD_NOW);
        calls = open(getenv("TMSD_BENCH_CALLS"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (!module || calls < 0 || ((list_function *)dlsym(module, "C_GetFunctionList"))(&theirs))
            return CKR_GENERAL_ERROR;
        ours.version = theirs->version;
        EACH_FUNCTION(ENTER_FUNCTION)
        ours.at[GET_FUNCTION_LIST] = C_GetFunctionList;
    }
    *list = &ours;
    return CKR_OK;
}
