# The processor of an ESP32-C3.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR riscv)
set(CMAKE_C_COMPILER riscv64-unknown-elf-gcc)
string(CONCAT CMAKE_C_FLAGS_INIT
  "-march=rv32imc -mabi=ilp32 -O2 -std=gnu17 -Wall -Wextra -Werror -ffreestanding -isystem ${LIBC}"
)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES LIBC)
