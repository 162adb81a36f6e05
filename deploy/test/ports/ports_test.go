package ports

import (
	"fmt"
	"net"
	"testing"
)

func TestClaim(t *testing.T) {
	seen := map[int]bool{}
	for range 500 {
		port, release, err := Claim()
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if seen[port] || port < first || port >= end {
			t.Fatalf("port %d, after %v", port, seen)
		}
		seen[port] = true
	}
}

func TestClaimTakesNoPortInUse(t *testing.T) {
	port, release, err := Claim()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take(port); err == nil {
		t.Error("a claimed port was claimed again")
	}
	release()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if _, err := take(port); err == nil {
		t.Error("a port on which somebody listens was claimed")
	}
}
