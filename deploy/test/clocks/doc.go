// Clocks runs the tests under other clocks: those of the days on which programs and their tests go
// wrong.
//
//	go run ./deploy/test/clocks -clocks sunday,leap-day ./export ./rollup
//
// Every test binary starts with its wall clock moved (testdata/clock.c). The same holds for its
// children: the embedded engine, the rollcall processes of tests, Chromium and Java. Go, C and C++
// see the same time. Clocks needs Linux on x86-64 and a C compiler.
//
// Three things keep the real time:
//
//   - monotonic clocks, so nothing waits longer or shorter;
//   - the times that the kernel writes on files;
//   - system calls that ask the kernel directly. No program here uses them to learn the time.
package main
