"""How a program is built for an emulated board. The project has its linker script and startup."""

from SCons.Script import Default, DefaultEnvironment

environment = DefaultEnvironment()
board = environment.BoardConfig()
cpu = [f"-mcpu={board.get('build.cpu')}", "-mthumb"]
tools = {"AR": "ar", "AS": "as", "CC": "gcc", "CXX": "g++", "LINK": "g++", "RANLIB": "ranlib"}
environment.Replace(
    **{variable: f"arm-none-eabi-{tool}" for variable, tool in tools.items()},
    SIZETOOL="arm-none-eabi-size",
    ARFLAGS=["rc"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
environment.Append(
    CCFLAGS=[*cpu, "-O1", "-Wall", "-Wextra", "-Werror", "-ffunction-sections", "-fdata-sections"],
    LINKFLAGS=[*cpu, "--specs=rdimon.specs", "-T", "$PROJECT_DIR/board.ld"],
)
environment.Append(LINKFLAGS=["-Wl,--gc-sections", "-Wl,--no-warn-rwx"])
Default(environment.BuildProgram())
