/* The port to an emulator: two files, kg_in and kg_out, through semihosting. */
#include "kg_semihosting.h"
#include "port.h"

enum {
    SYS_OPEN = 0x01,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_EXIT_EXTENDED = 0x20,
    MODE_READ_BINARY = 1,
    MODE_WRITE_BINARY = 5,
    STOPPED_APPLICATION_EXIT = 0x20026,
};

static uint32_t input_file, output_file;

static uint32_t open_file(const char *name, uint32_t name_bytes, uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, mode, name_bytes};
    const uint32_t file = kg_semihosting_call(SYS_OPEN, arguments);
    if (file == UINT32_MAX)
        kg_port_exit(1);
    return file;
}

/* Both operations return how many bytes are still missing. */
static void transfer(uint32_t operation, uint32_t file, uint32_t address, uint32_t bytes)
{
    while (bytes > 0) {
        const uint32_t arguments[3] = {file, address, bytes};
        const uint32_t missing = kg_semihosting_call(operation, arguments);
        if (missing >= bytes)
            kg_port_exit(1);
        address += bytes - missing;
        bytes = missing;
    }
}

void kg_port_open(void)
{
    input_file = open_file("kg_in", 5, MODE_READ_BINARY);
    output_file = open_file("kg_out", 6, MODE_WRITE_BINARY);
}

void kg_port_read(void *to, uint32_t bytes)
{
    transfer(SYS_READ, input_file, (uint32_t)(uintptr_t)to, bytes);
}

void kg_port_write(const void *from, uint32_t bytes)
{
    transfer(SYS_WRITE, output_file, (uint32_t)(uintptr_t)from, bytes);
}

void kg_port_exit(uint32_t code)
{
    const uint32_t arguments[2] = {STOPPED_APPLICATION_EXIT, code};
    for (;;)
        kg_semihosting_call(SYS_EXIT_EXTENDED, arguments);
}
