// Package p is what the test of the trials puts faults into.
package p

func sum(a, b int) int { return a + b } // caught

func join(a, b string) string { return a + b } // a fault here does not compile

func longer(a, b int) bool { return a > b } // its boundary is not caught

func unused(a, b int) int { return a * b } // no test runs it
