package bench

import "syscall"

// endsWithParent has the kernel end a child when its parent ends, however that happens.
func endsWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
