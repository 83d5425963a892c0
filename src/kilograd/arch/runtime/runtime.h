/* What the files of the runtime share, and the symbols of firmware.ld. */
#ifndef KG_RUNTIME_H
#define KG_RUNTIME_H

#include <stdint.h>

extern uint32_t __kg_stack_bottom[], __kg_stack_top[];
extern uint32_t __kg_text_start[], __kg_text_end[];
extern uint32_t __kg_data_start[], __kg_data_end[];
extern const uint32_t __kg_data_image[];
extern uint32_t __kg_bss_start[], __kg_bss_end[];

/* Startup fills the stack with this; a word that still holds it was never used. */
#define KG_STACK_PAINT 0xA5C35A3Cu

/* First byte of every reply. */
enum { KG_STATUS_OK = 0, KG_STATUS_REFUSED = 1, KG_STATUS_FAULT = 2 };

void kg_reply(uint8_t status, const void *payload, uint32_t bytes);
void kg_command_loop(void);
void kg_fault_entry(void);

#endif
