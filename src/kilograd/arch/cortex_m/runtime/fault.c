/* A fault becomes a reply to the host: where, why, and which stack pointer. */
#include "kg_target.h"
#include "port.h"
#include "runtime.h"

typedef struct {
    uint32_t pc, lr, sp, status, address;
} fault_report;

enum {
    FRAME_LR = 5,
    FRAME_PC = 6,
    FRAME_WORDS = 8,
    STACKING_FAILED = 1 << 4 | 1 << 12,
    MEMORY_ADDRESS_VALID = 1 << 7,
    BUS_ADDRESS_VALID = 1 << 15,
};

/* Whether a word looks like an address that a call returns to: a BL or BLX stands before it. */
static int is_return_address(uint32_t word)
{
    const uint32_t text_start = (uint32_t)(uintptr_t)__kg_text_start;
    const uint32_t text_end = (uint32_t)(uintptr_t)__kg_text_end;
    if (!(word & 1u) || word < text_start + 4 || word >= text_end)
        return 0;
    const uint16_t *after = (const uint16_t *)(uintptr_t)(word - 1);
    const int is_bl = (after[-2] & 0xF800u) == 0xF000u && (after[-1] & 0xD000u) == 0xD000u;
    const int is_blx = (after[-1] & 0xFF87u) == 0x4780u;
    return is_bl || is_blx;
}

/* The first return address near the bottom of an overflown stack tells who was running. */
static uint32_t last_return_address(void)
{
    for (const uint32_t *word = __kg_stack_bottom; word < __kg_stack_top; word++) {
        if (is_return_address(*word))
            return *word;
    }
    return 0;
}

__attribute__((noreturn, used)) void kg_fault(const uint32_t *frame)
{
    fault_report report = {0, 0, (uint32_t)(uintptr_t)frame, 0, 0};
#if KG_HAS_FAULT_STATUS
    report.status = *(volatile uint32_t *)0xE000ED28u;
    if (report.status & MEMORY_ADDRESS_VALID)
        report.address = *(volatile uint32_t *)0xE000ED34u;
    if (report.status & BUS_ADDRESS_VALID)
        report.address = *(volatile uint32_t *)0xE000ED38u;
#endif
    const int frame_is_whole = frame >= __kg_stack_bottom &&
                               frame + FRAME_WORDS <= __kg_stack_top &&
                               !(report.status & STACKING_FAILED);
    if (frame_is_whole) {
        report.pc = frame[FRAME_PC];
        report.lr = frame[FRAME_LR];
    } else {
        report.lr = last_return_address();
    }
    kg_reply(KG_STATUS_FAULT, &report, sizeof report);
    kg_port_exit(1);
}

/* After an overflow the stack pointer is no longer good to use: start again from the top. */
__attribute__((naked, used)) void kg_fault_entry(void)
{
    __asm__ volatile(".syntax unified\n"
                     "mov r0, sp\n"
                     "ldr r1, =__kg_stack_bottom\n"
                     "adds r1, #255\n"
                     "cmp r0, r1\n"
                     "bhs 1f\n"
                     "ldr r1, =__kg_stack_top\n"
                     "mov sp, r1\n"
                     "1: bl kg_fault\n"
                     ".ltorg\n");
}
