/* What a vendor's startup file does: vectors, the floating-point unit, and then the C library. */
#include <stdint.h>

extern uint32_t stack_top[];
void _start(void);
void reset(void);

void reset(void)
{
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm__ volatile("dsb\n isb");
#endif
    _start();
}

static void stuck(void)
{
    for (;;)
        continue;
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, reset, stuck, stuck, stuck, stuck, stuck, stuck,
    stuck,     stuck, stuck, stuck, stuck, stuck, stuck, stuck,
};
