/* One SCP03 session after another by the PKCS#11 calls that tmsd's worker makes for it.
 *
 * `session MODULE TOKEN MASTER CHALLENGE CHANNEL RECEIPT` takes the labels of the token, of a master
 * key of AES-128 and KDF3, and of the daemon's own keys, all of version 1. Its input are lines: the
 * PIN; what a session depends on (struct session, in this order, in hexadecimal); then numbers. It
 * answers the first two with the EXTERNAL AUTHENTICATE that it makes, and each number by as many
 * sessions and the seconds that they took, and of processor time. A wrong ticket or card ends it.
 */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "function_list.h"

/* Places in the list of functions. */
enum {
    INITIALIZE = 0, GET_SLOT_LIST = 4, GET_TOKEN_INFO = 6, OPEN_SESSION = 12, LOGIN = 18, DESTROY_OBJECT = 22,
    FIND_OBJECTS_INIT = 26, FIND_OBJECTS = 27, FIND_OBJECTS_FINAL = 28, ENCRYPT_INIT = 29, ENCRYPT = 30,
    SIGN_INIT = 42, SIGN = 43, DERIVE_KEY = 62, GENERATE_RANDOM = 64
};

/* Constants of PKCS#11 2.40 (pkcs11t.h). */
enum { CKF_SERIAL_SESSION = 4, CKU_USER = 1, CKO_SECRET_KEY = 4, CKK_AES = 0x1f };
enum { CKM_AES_ECB = 0x1081, CKM_AES_CMAC = 0x108a, CKM_AES_ECB_ENCRYPT_DATA = 0x1104 };
enum {
    CKA_CLASS = 0, CKA_TOKEN = 1, CKA_PRIVATE = 2, CKA_LABEL = 3, CKA_KEY_TYPE = 0x100, CKA_ID = 0x102,
    CKA_SENSITIVE = 0x103, CKA_ENCRYPT = 0x104, CKA_DECRYPT = 0x105, CKA_WRAP = 0x106, CKA_UNWRAP = 0x107,
    CKA_SIGN = 0x108, CKA_VERIFY = 0x10a, CKA_DERIVE = 0x10c, CKA_VALUE_LEN = 0x161,
    CKA_EXTRACTABLE = 0x162, CKA_MODIFIABLE = 0x170
};

enum { BLOCK = 16, LONGEST = 512, CARD_CRYPTOGRAM = 0, HOST_CRYPTOGRAM = 1, S_MAC = 6 };

typedef unsigned char byte;
typedef unsigned long number;

struct attribute { number type; void *value; number length; };
struct mechanism { number type; void *parameter; number length; };
struct string_data { byte *data; number length; };
struct bytes { byte at[LONGEST]; number length; };

struct session {
    struct bytes ticket, ticket_mac, kdd, host_challenge, card_challenge, card_cryptogram, level;
    struct bytes sealed, receipt; /* as long as what the worker MACs, whatever they say */
};

static struct functions *list;
static number login, master_key, challenge_key, channel_key, receipt_key;

static void fail(const char *why)
{
    fprintf(stderr, "session: %s\n", why);
    exit(1);
}

#define CALL(function, ...)                                                  \
    do {                                                                     \
        number result = ((number(*)())list->at[function])(__VA_ARGS__);      \
        if (result) {                                                        \
            fprintf(stderr, "session: %s: 0x%lx\n", #function, result);      \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

static void exclusive_or(byte *to, const byte *other)
{
    for (int i = 0; i < BLOCK; i++)
        to[i] ^= other[i];
}

static void encrypt(number key, byte *data, number length, byte *encrypted)
{
    struct mechanism ecb = {CKM_AES_ECB, NULL, 0};
    number room = length;
    CALL(ENCRYPT_INIT, login, &ecb, key);
    CALL(ENCRYPT, login, data, length, encrypted, &room);
}

static void cmac(number key, byte *data, number length, byte *mac)
{
    struct mechanism mechanism = {CKM_AES_CMAC, NULL, 0};
    number room = BLOCK;
    CALL(SIGN_INIT, login, &mechanism, key);
    CALL(SIGN, login, data, length, mac, &room);
}

/* The attributes of tmsd's hsm/attributes.py. CKA_MODIFIABLE ends what SoftHSM lets be set. */
static number derive(number base, byte *data, byte encrypts, byte signs, byte derives)
{
    static number class = CKO_SECRET_KEY, type = CKK_AES, length = BLOCK;
    static byte yes = 1, no = 0;
    struct attribute template[] = {
        {CKA_CLASS, &class, sizeof class},
        {CKA_TOKEN, &no, 1},
        {CKA_PRIVATE, &yes, 1},
        {CKA_SENSITIVE, &yes, 1},
        {CKA_EXTRACTABLE, &no, 1},
        {CKA_ENCRYPT, &encrypts, 1},
        {CKA_DECRYPT, &no, 1},
        {CKA_SIGN, &signs, 1},
        {CKA_VERIFY, &no, 1},
        {CKA_WRAP, &no, 1},
        {CKA_UNWRAP, &no, 1},
        {CKA_DERIVE, &derives, 1},
        {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_VALUE_LEN, &length, sizeof length},
        {CKA_MODIFIABLE, &no, 1},
    };
    struct string_data parameter = {data, BLOCK};
    struct mechanism mechanism = {CKM_AES_ECB_ENCRYPT_DATA, &parameter, sizeof parameter};
    number key;
    CALL(DERIVE_KEY, login, &mechanism, base, template, sizeof template / sizeof *template, &key);
    return key;
}

/* CMAC's subkeys (NIST SP 800-38B, 6.1), one from the encryption of zeros, or from the one before. */
static void double_block(byte *block)
{
    byte carry = block[0] >> 7;
    for (int i = 0; i < BLOCK - 1; i++)
        block[i] = block[i] << 1 | block[i + 1] >> 7;
    block[BLOCK - 1] = block[BLOCK - 1] << 1 ^ (carry ? 0x87 : 0);
}

/* KDF3: the key is the CMAC of 01 000000 role 00 KDD, which is one block. */
static number card_key(const struct session *session)
{
    byte zeros[BLOCK] = {0}, last[BLOCK] = {1, 0, 0, 0, 2, 0}, subkey[BLOCK];
    encrypt(master_key, zeros, BLOCK, subkey);
    double_block(subkey);
    memcpy(last + 6, session->kdd.at, 10);
    exclusive_or(last, subkey);
    return derive(master_key, last, 1, 0, 1);
}

/* Amendment D, 4.1.5: 11 00s, constant, 00, L in bits, 01, and the context. */
static void derivation_data(const struct session *session, byte constant, byte bits, byte *data)
{
    memset(data, 0, 2 * BLOCK);
    data[11] = constant;
    data[14] = bits;
    data[15] = 1;
    memcpy(data + 16, session->host_challenge.at, 8);
    memcpy(data + 24, session->card_challenge.at, 8);
}

static number session_key(const struct session *session, number static_key)
{
    byte data[3 * BLOCK] = {0}, encrypted[2 * BLOCK];
    derivation_data(session, S_MAC, 128, data + BLOCK);
    encrypt(static_key, data, 2 * BLOCK, encrypted);
    double_block(encrypted);
    exclusive_or(data + 2 * BLOCK, encrypted);
    exclusive_or(data + 2 * BLOCK, encrypted + BLOCK);
    return derive(static_key, data + 2 * BLOCK, 0, 1, 0);
}

static void external_authenticate(struct session *session, byte command[21])
{
    byte mac[BLOCK], data[2 * BLOCK], session_id[BLOCK], authenticated[BLOCK + 13] = {0};
    cmac(challenge_key, session->ticket.at, session->ticket.length, mac);
    if (memcmp(mac, session->ticket_mac.at, BLOCK))
        fail("the ticket is not genuine");
    number static_key = card_key(session), key = session_key(session, static_key);
    derivation_data(session, CARD_CRYPTOGRAM, 64, data);
    cmac(key, data, sizeof data, mac);
    if (memcmp(mac, session->card_cryptogram.at, 8))
        fail("the card's cryptogram is wrong");
    derivation_data(session, HOST_CRYPTOGRAM, 64, data);
    cmac(key, data, sizeof data, mac);
    memcpy(command, (byte[]){0x84, 0x82, session->level.at[0], 0, 16}, 5);
    memcpy(command + 5, mac, 8);
    memcpy(authenticated + BLOCK, command, 13);
    cmac(key, authenticated, sizeof authenticated, mac);
    memcpy(command + 13, mac, 8);
    CALL(DESTROY_OBJECT, login, key);
    CALL(DESTROY_OBJECT, login, static_key);
    CALL(GENERATE_RANDOM, login, session_id, sizeof session_id);
    cmac(channel_key, session->sealed.at, session->sealed.length, mac);
    cmac(receipt_key, session->receipt.at, session->receipt.length, mac);
}

static number find(char *label)
{
    static byte version = 1;
    number key, count;
    struct attribute name[] = {{CKA_LABEL, label, strlen(label)}, {CKA_ID, &version, 1}};
    CALL(FIND_OBJECTS_INIT, login, name, 2ul);
    CALL(FIND_OBJECTS, login, &key, 1ul, &count);
    CALL(FIND_OBJECTS_FINAL, login);
    if (count != 1)
        fail("a key is missing");
    return key;
}

static number slot_of(const char *label)
{
    number slots[64], count = 64;
    CALL(GET_SLOT_LIST, 1ul, slots, &count);
    for (number i = 0; i < count; i++) {
        char info[512];
        CALL(GET_TOKEN_INFO, slots[i], info);
        if (!strncmp(info, label, strlen(label)) && info[strlen(label)] == ' ')
            return slots[i];
    }
    fail("the token is missing");
    return 0;
}

/* Read one line of hexadecimal numbers, one for each member of the session. */
static struct session read_session(void)
{
    struct session session;
    struct bytes *each = (struct bytes *)&session;
    for (number i = 0; i < sizeof session / sizeof *each; i++) {
        static char word[2 * LONGEST + 1];
        if (scanf("%1024s", word) != 1)
            fail("a session is expected");
        each[i].length = strlen(word) / 2;
        for (number at = 0; at < each[i].length; at++)
            sscanf(word + 2 * at, "%2hhx", &each[i].at[at]);
    }
    return session;
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    char pin[65];
    number count;
    byte command[21];
    if (argc != 7 || scanf("%64s", pin) != 1)
        fail("six arguments, and the PIN as input");
    struct session session = read_session();
    void *module = dlopen(argv[1], RTLD_NOW);
    if (!module || ((list_function *)dlsym(module, "C_GetFunctionList"))(&list))
        fail("the module cannot be loaded");
    /* Without arguments, as the worker's library does: SoftHSM then takes no locks. */
    CALL(INITIALIZE, NULL);
    CALL(OPEN_SESSION, slot_of(argv[2]), (number)CKF_SERIAL_SESSION, NULL, NULL, &login);
    CALL(LOGIN, login, (number)CKU_USER, pin, strlen(pin));
    master_key = find(argv[3]);
    challenge_key = find(argv[4]);
    channel_key = find(argv[5]);
    receipt_key = find(argv[6]);
    external_authenticate(&session, command);
    for (number i = 0; i < sizeof command; i++)
        printf("%02x", command[i]);
    printf("\n");
    fflush(stdout);
    while (scanf("%lu", &count) == 1) {
        double wall = seconds(CLOCK_MONOTONIC), processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
        while (count--)
            external_authenticate(&session, command);
        processor = seconds(CLOCK_PROCESS_CPUTIME_ID) - processor;
        printf("%.9f %.9f\n", seconds(CLOCK_MONOTONIC) - wall, processor);
        fflush(stdout);
    }
    return 0;
}
