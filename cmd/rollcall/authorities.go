package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

// authorities are the certificates of a --*-ca-file. While an authority is replaced, the file has
// the old one and the new one.
type authorities []*x509.Certificate

// readAuthorities reads a file of PEM certificates. A file that ends within a certificate is
// refused: it is still being written, or its disk is full. A certificate that this program cannot
// read is left out, as there are some in the lists of whole systems; one at least must be left.
func readAuthorities(file string) (all authorities, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		if certificate, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, certificate)
		}
	}
	switch {
	case bytes.Contains(text, []byte("-----BEGIN ")):
		return nil, fmt.Errorf("%s ends within a PEM certificate", file)
	case len(all) == 0:
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return all, nil
}

func (a authorities) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range a {
		pool.AddCert(certificate)
	}
	return pool
}

// end is when the last of the authorities ends. From then on no server is trusted. The earlier ends
// do not count: they are those of authorities that are being replaced.
func (a authorities) end() (last time.Time) {
	for _, certificate := range a {
		if certificate.NotAfter.After(last) {
			last = certificate.NotAfter
		}
	}
	return last
}
