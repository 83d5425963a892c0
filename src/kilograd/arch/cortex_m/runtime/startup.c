/* Vector table and reset: memory set up, stack painted, protection on, then the command loop. */
#include "kg_target.h"
#include "port.h"
#include "runtime.h"

void kg_reset(void);

typedef struct {
    uint32_t *stack_top;
    void (*handlers[15])(
        void); /* reset first; the rest are faults and, here unused, system calls */
} vector_table;

__attribute__((section(".kg_vectors"), used)) static const vector_table vectors = {
    __kg_stack_top,
    {kg_reset, kg_fault_entry, kg_fault_entry, kg_fault_entry, kg_fault_entry, kg_fault_entry,
     kg_fault_entry, kg_fault_entry, kg_fault_entry, kg_fault_entry, kg_fault_entry, kg_fault_entry,
     kg_fault_entry, kg_fault_entry, kg_fault_entry},
};

static void clear(uint32_t *from, const uint32_t *end)
{
    for (volatile uint32_t *word = from; word < end; word++)
        *word = 0;
}

/* Volatile, so that no call to memset puts a frame into what is being painted. */
static void paint_stack(void)
{
    const uint32_t *stack_pointer;
    __asm__ volatile("mov %0, sp" : "=r"(stack_pointer));
    for (volatile uint32_t *word = __kg_stack_bottom; word < stack_pointer; word++) {
        *word = KG_STACK_PAINT;
    }
}

#if KG_HAS_FAULT_STATUS
static void trap_division_by_zero(void)
{
    volatile uint32_t *const configuration = (volatile uint32_t *)0xE000ED14u;
    *configuration |= 1u << 4;
}
#endif

#if KG_HAS_MPU
/* Without this, emulated boards and chips with more memory hide accesses outside the target's. */
static void protect_memory(void)
{
    static const uint32_t regions[][2] = KG_MPU_REGIONS;
    volatile uint32_t *const mpu = (volatile uint32_t *)0xE000ED90u;
    const uint32_t available = (mpu[0] >> 8) & 0xFFu;
    const uint32_t count = sizeof regions / sizeof regions[0];
    if (available < count)
        return;
    for (uint32_t i = 0; i < count; i++) {
        mpu[2] = i;
        mpu[3] = regions[i][0];
        mpu[4] = regions[i][1];
    }
    mpu[1] = 1;
    __asm__ volatile("dsb\n isb" ::: "memory");
}
#endif

__attribute__((noreturn, used)) void kg_reset(void)
{
    paint_stack();
    const uint32_t *image = __kg_data_image;
    for (volatile uint32_t *word = __kg_data_start; word < __kg_data_end; word++)
        *word = *image++;
    clear(__kg_bss_start, __kg_bss_end);
#if KG_HAS_FAULT_STATUS
    trap_division_by_zero();
#endif
#if KG_HAS_MPU
    protect_memory();
#endif
    kg_port_open();
    kg_command_loop();
    kg_port_exit(0);
}
