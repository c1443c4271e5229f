/* Searches all readable memory of a process for byte strings: `search PID < STRINGS`.
 *
 * STRINGS is, for each, its length in one byte, and the string: at least 4 bytes. For each place where one
 * is, the output has a line: its number from 0, the address, and what is mapped there.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STRINGS = 1 << 15, LONGEST = 255, PIECE = 1 << 20 };

static struct string {
    unsigned char bytes[LONGEST];
    int length;
    int next; /* the next that begins with the same two bytes, or -1 */
} strings[STRINGS];

static int first[1 << 16]; /* by their first two bytes, or -1 */

static unsigned two_bytes(const unsigned char *at)
{
    return at[0] | at[1] << 8;
}

static void read_strings(void)
{
    memset(first, 0xFF, sizeof first);
    for (int number = 0, length; number < STRINGS && (length = getchar()) != EOF; number++) {
        struct string *string = &strings[number];
        if (length < 4 || fread(string->bytes, 1, length, stdin) != (size_t)length)
            exit(2);
        string->length = length;
        string->next = first[two_bytes(string->bytes)];
        first[two_bytes(string->bytes)] = number;
    }
}

/* Looks at each place of `count` where a string may begin; `readable` bytes are there. */
static void search(const unsigned char *piece, size_t count, size_t readable, uint64_t at, const char *name)
{
    for (size_t place = 0; place < count && place + 4 <= readable; place++)
        for (int n = first[two_bytes(piece + place)]; n >= 0; n = strings[n].next)
            if (place + strings[n].length <= readable
                && !memcmp(piece + place, strings[n].bytes, strings[n].length))
                printf("%d %#lx %s\n", n, (unsigned long)(at + place), name);
}

static void search_mapping(int memory, uint64_t begin, uint64_t end, const char *name)
{
    static unsigned char piece[PIECE + LONGEST];
    for (uint64_t at = begin; at < end; at += PIECE) {
        uint64_t length = end - at < sizeof piece ? end - at : sizeof piece;
        ssize_t readable = pread(memory, piece, length, at);
        if (readable > 0)
            search(piece, PIECE, readable, at, name);
        else
            fprintf(stderr, "%#lx %s\n", (unsigned long)at, name);
    }
}

int main(int count, char **arguments)
{
    char path[64], line[4400];
    if (count != 2)
        return 2;
    read_strings();
    snprintf(path, sizeof path, "/proc/%s/mem", arguments[1]);
    int memory = open(path, O_RDONLY);
    snprintf(path, sizeof path, "/proc/%s/maps", arguments[1]);
    FILE *mappings = fopen(path, "r");
    if (memory < 0 || !mappings)
        return 1;
    while (fgets(line, sizeof line, mappings)) {
        unsigned long begin, end;
        char access[5], name[4097] = "anonymous";
        if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %4096s", &begin, &end, access, name) >= 3 && access[0] == 'r'
            && strncmp(name, "[vvar", 5) && strcmp(name, "[vsyscall]"))
            search_mapping(memory, begin, end, name);
    }
    return 0;
}
