#include "kg_boundary.h"

#include <string.h>

#include "kg_schedule.h"

kg_status kg_prefix(void)
{
    const kg_status error = kg_finish();
    kg_now.rows = 0;
    if (error == KG_OK)
        kg_run_prefix(1);
    return error;
}

/* The sample's place is taken by what the prefix has made of it. */
static void prefix_is_there(void)
{
    kg_now.rows = KG_INPUT_HEIGHT;
}

const int32_t *kg_predict_suffix(void)
{
    prefix_is_there();
    if (kg_begin_predict() != KG_OK)
        return NULL;
    kg_run_suffix(0);
    return kg_active_logits();
}

const int32_t *kg_train_step_suffix_at(int32_t label, kg_learning_rate rate, uint32_t at)
{
    prefix_is_there();
    if (kg_begin_step(label, rate) != KG_OK)
        return NULL;
    const uint32_t step = kg_step_control.step;
    kg_step_control.step = at;
    kg_set_rate(&kg_step_control, rate.mantissa, rate.exponent, rate.steps);
    kg_step_control.step = step;
    kg_run_suffix(1);
    kg_end_step();
    return kg_active_logits();
}
