package processtest

import (
	"os/exec"
	"syscall"
)

// AtEnd starts a shell that waits until this process has ended, and then runs the script with the
// arguments $0, $1 and so on. It notices every end, even by a panic or SIGKILL: the kernel closes
// its standard input. It has a process group of its own, so that Ctrl-C does not reach it. now runs
// the script at once instead, and waits for it.
func AtEnd(script string, args ...string) (now func() error, err error) {
	shell := exec.Command("sh", append([]string{"-c", "cat >/dev/null\n" + script}, args...)...)
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, err
	}
	return func() error {
		input.Close()
		return shell.Wait()
	}, nil
}
