/* Reset of QEMU's virt, which begins at the first byte of its RAM. */
#include <stdint.h>

extern uint8_t bss_start[], bss_end[];
int main(void);
void start(void);

__attribute__((naked, noreturn, section(".first"))) void reset(void);
__attribute__((naked, noreturn, section(".first"))) void reset(void)
{
    __asm__ volatile("la sp, stack_top\n"
                     "j start\n");
}

__attribute__((used)) void start(void)
{
    for (volatile uint8_t *byte = bss_start; byte < bss_end; byte++)
        *byte = 0;
    main();
}
