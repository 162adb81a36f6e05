package export

import (
	"net/http"
	"regexp"
	"strings"
)

// requestText returns what the audit keeps of a request: method, path and query, without anything
// that somebody could use again.
//
// A download link is a credential, so only the path of its address is kept, whether the request is
// answered or refused. People also paste links and keys where they do not belong. So in other
// addresses, each part with a text as long as a signature or a key's secret is replaced with "…".
func requestText(r *http.Request) string {
	path, query, asked := strings.Cut(r.URL.RequestURI(), "?")
	text := r.Method + " " + withoutSecrets(path, "/")
	if !asked || isLink(path) {
		return text
	}
	return text + "?" + withoutSecrets(query, "&")
}

func withoutSecrets(text, separator string) string {
	parts := strings.Split(text, separator)
	for i, part := range parts {
		if !secretForm.MatchString(decoded(part)) {
			continue
		}
		name, _, named := strings.Cut(part, "=")
		if parts[i] = "…"; named && !secretForm.MatchString(decoded(name)) {
			parts[i] = name + "=…"
		}
	}
	return strings.Join(parts, separator)
}

// secretForm matches 256 bits in base64 or hex. Signatures and the secrets of keys have 43
// characters.
var secretForm = regexp.MustCompile(`[A-Za-z0-9_-]{40}`)

// decoded removes every percent-encoding, also one that was applied several times. A % that begins
// no encoded byte stays.
func decoded(text string) string {
	for {
		plain := encodedByte.ReplaceAllStringFunc(text, func(s string) string {
			return string([]byte{unhex(s[1])<<4 | unhex(s[2])})
		})
		if plain == text {
			return text
		}
		text = plain
	}
}

var encodedByte = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
