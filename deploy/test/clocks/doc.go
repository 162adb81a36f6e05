// Clocks runs the tests under other clocks: those of the days on which programs and their tests go
// wrong.
//
//	go run ./deploy/test/clocks -clocks sunday,leap-day ./export ./rollup
//
// Every test binary starts with its wall clock moved (testdata/clock.c), and so do its children:
// the embedded engine, the rollcall processes of tests, Chromium and Java. Go, C and C++ see the
// same time. It needs Linux on x86-64 and a C compiler.
//
// What stays real: monotonic clocks, so nothing waits longer or shorter; the times that the kernel
// puts on files; and system calls that ask the kernel itself, which none of the programs here make
// to learn the time.
package main
