package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthCommand is for containers: their image has no shell and no curl.
type healthCommand struct {
	adminFlags `embed:""`
}

// healthPatience is shorter than the time that a container engine waits for a check.
const healthPatience = 6 * time.Second

func (c *healthCommand) Run(ctx context.Context, std streams) error {
	host, port, err := net.SplitHostPort(c.AdminAddr)
	if err != nil {
		return badSetting("--admin-addr: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		// the stage listens on all addresses, so also on this one
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(text)))
	}
	_, err = std.out.Write(text)
	return err
}
