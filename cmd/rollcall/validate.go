package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"rollcall/schema"
)

type validateCommand struct {
	Files []string `arg:"" name:"file" help:"Files with one JSON event per line; - is standard input."`
}

func (c *validateCommand) Run(std streams) error {
	var lines, rejected int
	for _, name := range c.Files {
		n, bad, err := validateFile(name, std)
		if err != nil {
			return err
		}
		lines = lines + n
		rejected = rejected + bad
	}
	fmt.Fprintf(std.out, "%d events, %d valid, %d rejected\n", lines, lines-rejected, rejected)
	if rejected > 0 {
		return fmt.Errorf("%d of %d events would be rejected", rejected, lines)
	}
	return nil
}

func validateFile(name string, std streams) (lines, rejected int, err error) {
	var r io.Reader = std.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return 0, 0, err
		}
		defer f.Close()
		r = f
	}
	return schema.ValidateLines(r, name, time.Now(), func(line int, rej *schema.Rejection) {
		fmt.Fprintf(std.out, "%s:%d: %s: %s\n", shown(name), line, rej.Reason, oneLine(rej.Detail))
	})
}
