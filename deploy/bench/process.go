package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a command of this binary in a process of its own, so that its costs can be measured
// apart from the others'.
type process struct {
	cmd  *exec.Cmd
	addr string // of a broker or an engine: what it prints when it is ready
}

// command prepares a process. It ends at the latest when this process ends.
func command(args ...string) (*process, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(binary, args...)}
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = endsWithParent()
	return p, nil
}

// start starts an embedded broker or engine. It returns when it is ready.
func start(ctx context.Context, args ...string) (*process, error) {
	p, err := command(append([]string{"embedded"}, args...)...)
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.stop()
		return nil, errors.Join(fmt.Errorf("the embedded %s did not start", args[0]), ctx.Err())
	}
	p.addr = strings.TrimSpace(line)
	return p, nil
}

func (p *process) stop() {
	p.cmd.Process.Kill() // its data is thrown away
	p.cmd.Wait()
}

// end stops an embedded broker or engine in order. Its data stays.
func (p *process) end() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}

// endedPeak is peak for a process that has ended. It is never less than what this process had
// resident when it started the other, because Linux counts the moment before the exec, too.
func (p *process) endedPeak() int64 {
	u, _ := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return u.Maxrss << 10 // Linux counts KiB
}

// ticks is the unit in which Linux counts CPU time in /proc: 100 ticks a second on every platform
// that Go supports.
const ticks = 100

// cpu is the CPU time of the process so far.
func (p *process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}

// peak is the most memory the process had resident, in bytes.
func (p *process) peak() int64 { return peak(p.cmd.Process.Pid) }

// resident is how much it has now.
func (p *process) resident() int64 { return resident(p.cmd.Process.Pid) }

func peak(pid int) int64     { return status(pid, "VmHWM:") }
func resident(pid int) int64 { return status(pid, "VmRSS:") }

// status reads a size from /proc/PID/status.
func status(pid int, field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), field)
	kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kb << 10
}

// ownCPU is the CPU time of this process so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
