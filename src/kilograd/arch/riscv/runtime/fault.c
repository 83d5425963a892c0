/* A trap becomes a reply to the host: where, why, and which stack pointer. */
#include "port.h"
#include "runtime.h"

typedef struct {
    uint32_t pc, lr, sp, status, address;
} fault_report;

__attribute__((noreturn, used)) void kg_fault(uint32_t pc, uint32_t ra, uint32_t sp, uint32_t cause,
                                              uint32_t value)
{
    const fault_report report = {pc, ra, sp, cause + 1, value};
    kg_reply(KG_STATUS_FAULT, &report, sizeof report);
    kg_port_exit(1);
}

/* After an overflow the stack pointer is no longer good to use: start again from the top. */
__attribute__((naked, used, aligned(4))) void kg_fault_entry(void)
{
    __asm__ volatile("csrr a0, mepc\n"
                     "mv a1, ra\n"
                     "mv a2, sp\n"
                     "csrr a3, mcause\n"
                     "csrr a4, mtval\n"
                     "la sp, __kg_stack_top\n"
                     "j kg_fault\n");
}
