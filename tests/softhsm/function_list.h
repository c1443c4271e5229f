/* PKCS#11's list of functions, and what stands before a module and forwards each of them to it.
 *
 * Who includes this defines `call`, which every function of the list ends in, with its number.
 */

/* CK_FUNCTION_LIST (PKCS#11 2.40, section 5.1): a version, then 68 pointers in a fixed order. */
enum { FUNCTIONS = 68 };

struct functions {
    void *version;
    void *at[FUNCTIONS];
};

/* Every argument of every function is a pointer or an unsigned integer and there are at most eight, so
 * that all functions can be called alike: those with fewer do not look at the rest (System V ABI, AAPCS64).
 */
#define PARAMETERS                                                                                        \
    unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e, unsigned long f, \
        unsigned long g, unsigned long h
#define ARGUMENTS a, b, c, d, e, f, g, h
_Static_assert(sizeof(unsigned long) == sizeof(void *), "arguments have the size of pointers");

typedef unsigned long any_function(PARAMETERS);
typedef unsigned long list_function(struct functions **);

#define TENS(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7) X(n##8) X(n##9)
#define EACH_FUNCTION(X)                                                                                   \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)                                                      \
    TENS(X, 1) TENS(X, 2) TENS(X, 3) TENS(X, 4) TENS(X, 5)                                                 \
    X(60) X(61) X(62) X(63) X(64) X(65) X(66) X(67)
#define DEFINE_FUNCTION(n)                                                                                 \
    static unsigned long function_##n(PARAMETERS) { return call(n, ARGUMENTS); }
#define ENTER_FUNCTION(n) ours.at[n] = function_##n;
