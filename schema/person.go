package schema

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// PersonHash is what stays of an erased person: HMAC-SHA-256 under the service's secret of the org
// and the user id, each with its length before it.
func PersonHash(secret []byte, org, user string) [32]byte {
	mac := hmac.New(sha256.New, secret)
	for _, text := range []string{org, user} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		mac.Write([]byte(text))
	}
	return [32]byte(mac.Sum(nil))
}
