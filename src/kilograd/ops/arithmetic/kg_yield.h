/* Yield points: where a call of kilograd.h lets the application do something else.
 *
 * Defined while compiling, KG_YIELD makes each of them a call of the application's kg_yield, as
 * kilograd.h says. Otherwise they are nothing. What runs in between must not depend on the time
 * that passes, so a point may stand wherever a kernel has no register or flag of its own to lose.
 */
#ifndef KG_YIELD_H
#define KG_YIELD_H

#ifdef KG_YIELD
void kg_yield_now(void);
#define KG_YIELD_POINT() kg_yield_now()
#else
#define KG_YIELD_POINT() ((void)0)
#endif

#endif
