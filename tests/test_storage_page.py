"""The C of docs/storage.md compiles, against declarations like those of the vendors' headers."""

import re

import pytest

from applications import needs, run
from kilograd import export_c
from kilograd.compiler import compile_model
from kilograd.scheme import load_scheme
from kilograd.targets import get_target
from networks import tiny_graph

HEADERS = {
    "stm32g4xx_hal.h": """
        #include <stdint.h>
        typedef enum { HAL_OK, HAL_ERROR } HAL_StatusTypeDef;
        typedef struct { uint32_t TypeErase, Banks, Page, NbPages; } FLASH_EraseInitTypeDef;
        typedef struct { volatile uint32_t ECCR; } FLASH_TypeDef;
        #define FLASH ((FLASH_TypeDef *)0x40022000u)
        #define FLASH_ECCR_ECCD (1u << 31)
        #define FLASH_TYPEPROGRAM_DOUBLEWORD 0u
        #define FLASH_TYPEERASE_PAGES 0u
        #define FLASH_BANK_2 2u
        void NMI_Handler(void);
        HAL_StatusTypeDef HAL_FLASH_Unlock(void);
        HAL_StatusTypeDef HAL_FLASH_Lock(void);
        HAL_StatusTypeDef HAL_FLASH_Program(uint32_t type, uint32_t address, uint64_t data);
        HAL_StatusTypeDef HAL_FLASHEx_Erase(FLASH_EraseInitTypeDef *what, uint32_t *bad);
        static inline void __DSB(void) { __asm__ volatile("dsb" ::: "memory"); }
    """,
    "hardware/flash.h": """
        #include <stddef.h>
        #include <stdint.h>
        #define PICO_FLASH_SIZE_BYTES (2 * 1024 * 1024)
        #define XIP_BASE 0x10000000u
        #define __not_in_flash_func(name) name
        void flash_range_erase(uint32_t offset, size_t count);
        void flash_range_program(uint32_t offset, const uint8_t *data, size_t count);
    """,
    "pico/flash.h": "int flash_safe_execute(void (*f)(void *), void *of, uint32_t timeout_ms);",
    "esp_partition.h": """
        #include <stddef.h>
        typedef int esp_err_t;
        typedef struct { int type; } esp_partition_t;
        esp_err_t esp_partition_read(const esp_partition_t *of, size_t at, void *to, size_t size);
        esp_err_t esp_partition_write(const esp_partition_t *of, size_t at, const void *from,
                                      size_t size);
        esp_err_t esp_partition_erase_range(const esp_partition_t *of, size_t at, size_t size);
    """,
    "zephyr/storage/flash_map.h": """
        #include <stddef.h>
        #include <sys/types.h>
        struct flash_area;
        int flash_area_read(const struct flash_area *of, off_t at, void *to, size_t size);
        int flash_area_write(const struct flash_area *of, off_t at, const void *from, size_t size);
        int flash_area_erase(const struct flash_area *of, off_t at, size_t size);
    """,
    "lfs.h": """
        #include <stdint.h>
        typedef struct { int unused; } lfs_t;
        typedef struct { int unused; } lfs_file_t;
        typedef int32_t lfs_ssize_t;
        typedef uint32_t lfs_size_t;
        enum { LFS_O_WRONLY = 2, LFS_O_CREAT = 0x100, LFS_O_TRUNC = 0x400 };
        int lfs_file_open(lfs_t *lfs, lfs_file_t *file, const char *path, int flags);
        int lfs_file_close(lfs_t *lfs, lfs_file_t *file);
        lfs_ssize_t lfs_file_write(lfs_t *lfs, lfs_file_t *file, const void *from, lfs_size_t size);
        int lfs_rename(lfs_t *lfs, const char *from, const char *to);
    """,
    "nvs.h": """
        #include <stddef.h>
        #include <stdint.h>
        typedef int esp_err_t;
        #define ESP_OK 0
        #define ESP_FAIL -1
        typedef uint32_t nvs_handle_t;
        esp_err_t nvs_set_blob(nvs_handle_t handle, const char *key, const void *from, size_t size);
        esp_err_t nvs_get_blob(nvs_handle_t handle, const char *key, void *to, size_t *size);
        esp_err_t nvs_commit(nvs_handle_t handle);
    """,
    "zephyr/fs/zms.h": """
        #include <stddef.h>
        #include <stdint.h>
        #include <sys/types.h>
        struct zms_fs { int unused; };
        ssize_t zms_write(struct zms_fs *fs, uint32_t id, const void *from, size_t size);
        ssize_t zms_read(struct zms_fs *fs, uint32_t id, void *to, size_t size);
    """,
}


@needs("arm-none-eabi-gcc")
def test_the_examples_compile(tmp_path, pytestconfig):
    graph = tiny_graph(tmp_path)
    program = compile_model(graph, load_scheme("head", graph), get_target("portable"))
    export_c(program, tmp_path / "c")
    for name, text in HEADERS.items():
        path = tmp_path / "vendors" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#pragma once\n{text}", encoding="utf-8")
    page = (pytestconfig.rootpath / "docs" / "storage.md").read_text(encoding="utf-8")
    examples = re.findall(r"```c\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 8
    used = {name for text in examples for name in re.findall(r"#include [<\"](.+)[>\"]", text)}
    assert HEADERS.keys() < used
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-std=gnu11", "-O1"]
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror"]
    for index, text in enumerate(examples):
        (tmp_path / f"{index}.c").write_text(text, encoding="utf-8")
        run([*command, *warnings, "-Ic", "-Ivendors", "-c", f"{index}.c"], tmp_path)


@pytest.mark.parametrize(("cycles", "slots"), [(10_000, 2), (10_000, 3), (10_000, 8), (100_000, 2)])
def test_the_years_are_right(pytestconfig, cycles, slots):
    page = (pytestconfig.rootpath / "docs" / "storage.md").read_text(encoding="utf-8")
    saves = cycles * slots
    hourly = saves / (24 * 365)
    cells = (
        *(f"{cycles:,}", str(slots), f"{saves:,}"),
        *(f"{hourly:.{0 if hourly > 10 else 1}f} years", f"{saves / 365:.0f} years"),
        f"{saves / 1440:.0f} days",
    )
    assert f"| {' | '.join(cells)} |" in page
