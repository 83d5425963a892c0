/* What the example sketch calls of Arduino's core, on top of a C library. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stdint.h>
#include <stdio.h>

void setup(void);
void loop(void);
unsigned long millis(void);
void delay(unsigned long milliseconds);

class SerialPort
{
  public:
    void begin(unsigned long)
    {
    }
    operator bool()
    {
        return true;
    }
    void print(const char *text)
    {
        printf("%s", text);
    }
    void print(unsigned number)
    {
        printf("%u", number);
    }
    void print(int32_t number)
    {
        printf("%ld", (long)number);
    }
    void print(double number, int decimals)
    {
        printf("%.*f", decimals, number);
    }
    void println(const char *text)
    {
        printf("%s\n", text);
    }
    void println(double number, int decimals)
    {
        printf("%.*f\n", decimals, number);
    }
};

extern SerialPort Serial;

#endif
