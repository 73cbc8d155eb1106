/*
 * The main() of a fuzz target where there is no fuzzer: runs it on the files
 * named, and says so in TAP.  A file that does harm ends the program.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static int
replay(const char *name)
{
    long      size;
    FILE     *file;
    uint8_t  *data;

    file = fopen(name, "rb");

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        return -1;
    }

    size = ftell(file);

    if (size < 0 || fseek(file, 0, SEEK_SET) != 0) {
        return -1;
    }

    /* no byte more than there are, so that a sanitizer sees each one */

    data = malloc(size ? (size_t) size : 1);

    if (data == NULL || fread(data, 1, (size_t) size, file) != (size_t) size)
    {
        return -1;
    }

    fclose(file);

    (void) LLVMFuzzerTestOneInput(data, (size_t) size);

    free(data);

    return 0;
}


int
main(int argc, char **argv)
{
    int  i, failed;

    failed = 0;
    printf("1..%d\n", argc - 1);

    for (i = 1; i < argc; i++) {
        (void) fflush(stdout);

        if (replay(argv[i]) != 0) {
            printf("not ");
            failed = 1;
        }

        printf("ok %d - %s\n", i, argv[i]);
    }

    return failed;
}
