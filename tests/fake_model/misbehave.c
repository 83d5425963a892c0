/* What broken firmware does, chosen by the first byte of the sample; 0..100 do nothing. */
#include "kernels.h"

#define NOINLINE __attribute__((noinline))

enum {
    NULL_WRITE = 101,
    FLASH_WRITE,
    READ_PAST_RAM,
    STACK_OVERFLOW,
    UNDEFINED_INSTRUCTION,
    ENDLESS_LOOP,
    UNALIGNED_ACCESS,
};

static volatile uint32_t zero = 0; /* the compiler must not see what is coming */
static volatile uint32_t sink;

NOINLINE void flash_write(void);
NOINLINE void null_write(void)
{
    *(volatile uint32_t *)(uintptr_t)zero = 1;
}
NOINLINE void flash_write(void)
{
    *(volatile uint32_t *)(((uintptr_t)&flash_write & ~(uintptr_t)3) + zero) = 1;
}
NOINLINE void read_past_ram(void)
{
    sink = *(volatile uint32_t *)(uintptr_t)(0x20050000u + zero);
}
NOINLINE void undefined_instruction(void)
{
    __builtin_trap();
}
NOINLINE void unaligned_access(void)
{
    static uint32_t words[4];
    volatile uint64_t *address = (volatile uint64_t *)((uintptr_t)words + 2u + zero);
    *address += 1;
}
NOINLINE void endless_loop(void)
{
    while (zero == 0)
        sink++;
}

NOINLINE uint32_t overflow_stack(uint32_t depth)
{
    volatile uint32_t local[4] = {depth, zero, depth, zero};
    if (zero)
        return depth;
    return overflow_stack(depth + 1) + local[depth & 3];
}

void misbehave(int8_t kind)
{
    switch (kind) {
    case NULL_WRITE: null_write(); break;
    case FLASH_WRITE: flash_write(); break;
    case READ_PAST_RAM: read_past_ram(); break;
    case STACK_OVERFLOW: sink = overflow_stack(0); break;
    case UNDEFINED_INSTRUCTION: undefined_instruction(); break;
    case ENDLESS_LOOP: endless_loop(); break;
    case UNALIGNED_ACCESS: unaligned_access(); break;
    default: break;
    }
}
