package schema

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// PersonHash is all that is kept of an erased person: an HMAC-SHA-256 of the org and the user id,
// each with its length before it. The key is the service's secret.
func PersonHash(secret []byte, org, user string) [32]byte {
	mac := hmac.New(sha256.New, secret)
	for _, text := range []string{org, user} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		mac.Write([]byte(text))
	}
	return [32]byte(mac.Sum(nil))
}
