"""PlatformIO starts SCons as a package of its own; this one is the SCons of its environment."""

from SCons.Script import Main

Main.main()
