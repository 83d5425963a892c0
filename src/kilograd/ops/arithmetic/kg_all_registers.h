/* Included first where assembler needs nearly all registers. GCC would keep one for a frame, and
   without optimization more; with a floating-point unit it finds none that fit. */
#ifndef KG_ALL_REGISTERS_H
#define KG_ALL_REGISTERS_H

#if defined(__GNUC__) && !defined(__clang__) && defined(__arm__)
#pragma GCC target("general-regs-only")
#ifdef __OPTIMIZE__
#pragma GCC optimize("omit-frame-pointer")
#else
#pragma GCC optimize("O2", "omit-frame-pointer")
#endif
#endif

#endif
