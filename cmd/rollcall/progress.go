package main

import (
	"fmt"
	"io"
	"time"
)

// A progress reports how far long work is: on a terminal as one line that changes, elsewhere as a
// line every few seconds.
type progress struct {
	w        io.Writer
	what     string
	terminal bool
	shown    time.Time
	last     string
}

func newProgress(w io.Writer, what string) *progress {
	return &progress{w: w, what: what, terminal: isTerminal(w), shown: time.Now()}
}

// at reports n of total. A total of 0 means that it is not known.
func (p *progress) at(n, total int) {
	p.last = fmt.Sprintf("%d %s", n, p.what)
	if total > 0 {
		p.last = fmt.Sprintf("%d of %d %s (%d %%)", n, total, p.what, n*100/total)
	}
	every := 5 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if time.Since(p.shown) >= every {
		p.show()
	}
}

// done shows the last state.
func (p *progress) done() {
	if p.last == "" {
		return
	}
	p.show()
	if p.terminal {
		fmt.Fprintln(p.w)
	}
	p.last = ""
}

func (p *progress) show() {
	p.shown = time.Now()
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", p.last)
	} else {
		fmt.Fprintln(p.w, p.last)
	}
}
