package ingest

import "slices"

// withRoom is values with room for n in all.
func withRoom[T any](values []T, n int) []T {
	if n <= cap(values) {
		return values
	}
	return append(make([]T, 0, n), values...)
}

// grow lengthens out by n bytes, whose content is up to the caller.
func grow(out []byte, n int) []byte {
	return slices.Grow(out, n)[:len(out)+n]
}
