#include "Arduino.h"

#include <stdlib.h>

SerialPort Serial;

unsigned long millis(void)
{
    static unsigned long now;
    return now++;
}

/* The sketch waits only where it has failed. */
void delay(unsigned long)
{
    exit(1);
}

int main(void)
{
    setup();
    loop();
    return 0;
}
