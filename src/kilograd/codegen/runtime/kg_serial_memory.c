#include "kg_serial_memory.h"

const kg_serial_memory kg_serial_ram_memory = {
    kg_memory_in_ram, kg_memory_keep,  kg_memory_step,        kg_memory_replay,
    kg_memory_forget, kg_memory_count, KG_MEMORY_SAMPLE_BYTES};
