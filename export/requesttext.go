package export

import (
	"net/http"
	"regexp"
	"strings"
)

// requestText is what the audit keeps of a request: method, path and query, with nothing in it that
// could be used again. A link is a credential: of its address only the path is kept, whatever
// becomes of the request. Elsewhere a part that holds a text as long as a signature or a key's
// secret is shown as "…": people paste links and keys where they do not belong.
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

// secretForm is what 256 bits look like in base64 or in hex: signatures have 43 characters, as the
// secrets of keys have.
var secretForm = regexp.MustCompile(`[A-Za-z0-9_-]{40}`)

// decoded takes every percent-encoding away, however often it was applied. What is no encoding
// stays.
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
