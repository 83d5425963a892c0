/* The port of a computer: a loss of power ends the application with longjmp. */
#include <setjmp.h>
#include <string.h>

#include "flash_model.h"
#include "kg_network.h"
#include "kg_storage.h"
#include "port.h"

/* What one boot came to. */
typedef struct {
    int32_t load_status, save_status; /* the latter is that of the first save that failed */
    uint32_t has_loaded, is_done;
    uint32_t saving, saved; /* steps of the last save that began, and that ended well */
    uint8_t loaded[KG_STATE_BYTES], last[KG_STATE_BYTES];
} outcome;

static jmp_buf power;
static settings now_chosen;
static outcome *result;
const uint32_t computer_outcome_bytes = sizeof(outcome);

settings port_settings(void)
{
    return now_chosen;
}

void port_report(uint32_t event, int32_t value)
{
    switch (event) {
    case EVENT_LOADED:
        result->has_loaded = 1;
        result->load_status = value;
        memcpy(result->loaded, kg_state(), KG_STATE_BYTES);
        break;
    case EVENT_SAVING: result->saving = (uint32_t)value; break;
    case EVENT_SAVED:
        if (value == KG_OK)
            result->saved = result->saving;
        else if (result->save_status == KG_OK)
            result->save_status = value;
        break;
    default:
        result->is_done = 1;
        memcpy(result->last, kg_state(), KG_STATE_BYTES);
        break;
    }
}

static int32_t survived(int32_t status)
{
    if (status == FLASH_POWER_CUT)
        longjmp(power, 1);
    return status;
}

int32_t port_read(void *context, uint32_t offset, void *to, uint32_t bytes)
{
    (void)context;
    return flash_read(offset, to, bytes);
}

int32_t port_program(void *context, uint32_t offset, const void *from, uint32_t bytes)
{
    (void)context;
    return survived(flash_program(offset, from, bytes));
}

int32_t port_erase(void *context, uint32_t offset)
{
    (void)context;
    return survived(flash_erase(offset));
}

/* What was in memory is lost: `noise` is there, and zeros where startup clears. */
void computer_boot(const settings *chosen, uint8_t noise, outcome *to)
{
    memset(kg_arena, noise, KG_ARENA_BYTES);
    memset(kg_state_buffer, noise, KG_STATE_BYTES);
    memset(&kg_now, 0, sizeof kg_now);
    memset(to, 0, sizeof *to);
    now_chosen = *chosen;
    result = to;
    if (setjmp(power) == 0)
        application();
}
