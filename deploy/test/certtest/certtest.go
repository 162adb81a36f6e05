// Package certtest gives tests a certificate for TLS on this machine.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A Certificate is its own authority. It is for servers on 127.0.0.1 and localhost and for clients,
// and valid for a day.
type Certificate struct {
	CertFile, KeyFile string // PEM files, for flags
	PEM               string // key and certificate in one text, for servers that want them so
	Pool              *x509.CertPool

	pair tls.Certificate
}

// New makes a certificate and writes its files to dir.
func New(dir string) (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), // a container's clock may differ
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	c := &Certificate{
		CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"),
		PEM: string(keyPEM) + string(certPEM), Pool: x509.NewCertPool(),
	}
	c.Pool.AppendCertsFromPEM(certPEM)
	if c.pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.CertFile, certPEM, 0o600); err != nil {
		return nil, err
	}
	return c, os.WriteFile(c.KeyFile, keyPEM, 0o600)
}

// Server is the configuration of a server that demands a client certificate.
func (c *Certificate) Server() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{c.pair}, ClientCAs: c.Pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// Client is the configuration of a client that trusts the certificate and presents it.
func (c *Certificate) Client() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.pair}, RootCAs: c.Pool}
}
