/* What is said differently to different compilers. */
#ifndef KG_COMPILER_H
#define KG_COMPILER_H

/* For what runs rarely: small code before fast code. */
#if defined(__clang__)
#define KG_SMALL __attribute__((minsize, noinline))
#elif defined(__GNUC__)
#define KG_SMALL __attribute__((cold, noinline))
#else
#define KG_SMALL
#endif

/* For a function that needs all registers for itself. */
#if defined(__GNUC__)
#define KG_NOINLINE __attribute__((noinline))
#else
#define KG_NOINLINE
#endif

/* For memory that holds words of up to 64 bits. */
#if defined(__GNUC__)
#define KG_ALIGNED __attribute__((aligned(8)))
#else
#define KG_ALIGNED _Alignas(8)
#endif

/* For a function that is to be compiled anew for the constant arguments of each call. */
#if defined(__GNUC__)
#define KG_INLINE inline __attribute__((always_inline))
#else
#define KG_INLINE inline
#endif

#endif
