/* Reset: memory set up, stack painted, protection on, then the command loop. */
#include "kg_target.h"
#include "port.h"
#include "runtime.h"

void kg_start(void);

/* The first code of the flash. */
__attribute__((naked, noreturn, used, section(".kg_vectors"))) void kg_reset(void)
{
    __asm__ volatile("la sp, __kg_stack_top\n"
                     "la t0, kg_fault_entry\n"
                     "csrw mtvec, t0\n"
                     "j kg_start\n");
}

static void clear(uint32_t *from, const uint32_t *end)
{
    for (volatile uint32_t *word = from; word < end; word++)
        *word = 0;
}

/* Volatile, so that no call to memset puts a frame into what is being painted. */
static void paint_stack(void)
{
    const uint32_t *stack_pointer;
    __asm__ volatile("mv %0, sp" : "=r"(stack_pointer));
    for (volatile uint32_t *word = __kg_stack_bottom; word < stack_pointer; word++) {
        *word = KG_STACK_PAINT;
    }
}

#if KG_HAS_PMP
/* Entries are numbered in the instruction itself. */
static void set_protected_address(uint32_t entry, uint32_t address)
{
    switch (entry) {
    case 0: __asm__ volatile("csrw pmpaddr0, %0" ::"r"(address)); break;
    case 1: __asm__ volatile("csrw pmpaddr1, %0" ::"r"(address)); break;
    case 2: __asm__ volatile("csrw pmpaddr2, %0" ::"r"(address)); break;
    case 3: __asm__ volatile("csrw pmpaddr3, %0" ::"r"(address)); break;
    case 4: __asm__ volatile("csrw pmpaddr4, %0" ::"r"(address)); break;
    case 5: __asm__ volatile("csrw pmpaddr5, %0" ::"r"(address)); break;
    case 6: __asm__ volatile("csrw pmpaddr6, %0" ::"r"(address)); break;
    default: __asm__ volatile("csrw pmpaddr7, %0" ::"r"(address)); break;
    }
}

/* Without this, boards with more memory hide accesses outside the target's. */
static void protect_memory(void)
{
    static const uint32_t addresses[] = KG_PMP_ADDRESSES;
    const uint32_t count = sizeof addresses / sizeof addresses[0];
    _Static_assert(sizeof addresses <= 8 * sizeof addresses[0], "more regions than entries");
    for (uint32_t entry = 0; entry < count; entry++) {
        set_protected_address(entry, addresses[entry]);
    }
    /* What is allowed first: the last entry forbids all the rest. */
    __asm__ volatile("csrw pmpcfg0, %0" ::"r"(KG_PMP_RIGHTS_LOW));
    __asm__ volatile("csrw pmpcfg1, %0" ::"r"(KG_PMP_RIGHTS_HIGH));
}
#endif

__attribute__((noreturn, used)) void kg_start(void)
{
    paint_stack();
    const uint32_t *image = __kg_data_image;
    for (volatile uint32_t *word = __kg_data_start; word < __kg_data_end; word++)
        *word = *image++;
    clear(__kg_bss_start, __kg_bss_end);
#if KG_HAS_PMP
    protect_memory();
#endif
    kg_port_open();
    kg_command_loop();
    kg_port_exit(0);
}
