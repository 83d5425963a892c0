/* Counts the instructions that Unicorn executes, from a hook at the start of each basic block.
 *
 * A count runs from the entry of one of a few functions to its return, so that nothing of what
 * moves the samples in and out is in it. Where a sample is pushed row by row, the pushes count
 * towards the call that follows.
 */
#include <stdint.h>

typedef struct {
    uint32_t bytes, instructions;
} block;

typedef struct {
    const uint8_t *code; /* what the flash holds from code_origin on */
    block *blocks;       /* one for each halfword of the flash, zero at first */
    uint64_t code_origin, code_bytes;
    uint64_t entries[8]; /* addresses of the counted functions; the last two count for the next */
    uint64_t limit;      /* executed instructions that stop the emulation */
    uint64_t executed;   /* since the start */
    uint64_t last_call;  /* of the last finished call, and of the pushes before it */
    uint64_t pushed;     /* of the pushes since */
    uint64_t began, return_address;
    uint64_t unaligned_address;
    uint32_t is_counting;  /* 0, or one more than the index of the entry */
    uint32_t is_unaligned; /* an access that the processor would have refused */
    uint32_t wide_mask,
        wide_value;        /* of the halfword that an instruction of four bytes begins with */
    int32_t link_register; /* Unicorn's number for LR */
    int (*read_register)(void *unicorn, int number, void *value);
    int (*stop)(void *unicorn);
} counter;

static uint32_t count_instructions(const counter *c, uint64_t offset, uint32_t bytes)
{
    uint32_t instructions = 0;
    for (uint32_t at = 0; at < bytes; instructions++) {
        const uint32_t first = c->code[offset + at] | (uint32_t)c->code[offset + at + 1] << 8;
        at += (first & c->wide_mask) >= c->wide_value ? 4 : 2;
    }
    return instructions;
}

void kg_count_block(void *unicorn, uint64_t address, uint32_t bytes, void *user)
{
    counter *c = user;
    if (c->is_counting && address == c->return_address) {
        c->pushed += c->executed - c->began;
        if (c->is_counting <= 6) {
            c->last_call = c->pushed;
            c->pushed = 0;
        }
        c->is_counting = 0;
    }
    for (uint32_t i = 0; !c->is_counting && i < 8; i++) {
        if (address != c->entries[i])
            continue;
        uint32_t link = 0;
        c->read_register(unicorn, c->link_register, &link);
        c->return_address = link & ~1u;
        c->began = c->executed;
        c->is_counting = i + 1;
    }
    const uint64_t offset = address - c->code_origin;
    if (offset >= c->code_bytes || bytes > c->code_bytes - offset)
        return; /* about to fault */
    block *known = &c->blocks[offset >> 1];
    if (known->bytes != bytes) {
        known->instructions = count_instructions(c, offset, bytes);
        known->bytes = bytes;
    }
    c->executed += known->instructions;
    if (c->executed > c->limit)
        c->stop(unicorn);
}

/* For cores that fault on unaligned access, which Unicorn allows them. */
void kg_check_alignment(void *unicorn, int access, uint64_t address, int bytes, int64_t value,
                        void *user)
{
    (void)access;
    (void)value;
    counter *c = user;
    if (c->is_unaligned || (address & (uint64_t)(bytes - 1)) == 0)
        return;
    c->is_unaligned = 1;
    c->unaligned_address = address;
    c->stop(unicorn);
}
