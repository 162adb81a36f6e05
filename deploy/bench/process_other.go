//go:build !linux

package bench

import "syscall"

// endsWithParent does nothing: only Linux can end a child with its parent. The child is stopped
// when the benchmark ends, but outlives a benchmark that is killed.
func endsWithParent() *syscall.SysProcAttr { return nil }
