package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// A renewed value comes from files that somebody may replace while the process runs, like a
// certificate or a password. Once a second at most, get looks whether the files are others than
// before. While the new ones cannot be read, the value before stays: a certificate and its key are
// two files, and for a moment they may not belong together.
type renewed[T any] struct {
	read  func() (T, error)
	files []string

	mu     sync.Mutex
	looked time.Time
	seen   string // what the files were when value was read
	value  T
}

const renewalAge = time.Second

// newRenewed reads the value for the first time.
func newRenewed[T any](read func() (T, error), files ...string) (r *renewed[T], err error) {
	r = &renewed[T]{read: read, files: files, looked: time.Now()}
	r.seen = r.look()
	r.value, err = read()
	return r, err
}

func (r *renewed[T]) get() T {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.looked) < renewalAge {
		return r.value
	}
	r.looked = time.Now()
	if now := r.look(); now != r.seen {
		if value, err := r.read(); err == nil {
			r.value = value
			r.seen = now
		}
	}
	return r.value
}

// look describes the files as they are. Kubernetes replaces a link to a folder, so the time of the
// file behind it counts.
func (r *renewed[T]) look() (all string) {
	for _, file := range r.files {
		if info, err := os.Stat(file); err == nil {
			all += fmt.Sprintln(info.ModTime().UnixNano(), info.Size())
		} else {
			all += fmt.Sprintln(err)
		}
	}
	return all
}

// newRenewedCertificate is a certificate with its key, for a server or a client.
func newRenewedCertificate(cert, key string) (*renewed[*tls.Certificate], error) {
	return newRenewed(func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}, cert, key)
}
