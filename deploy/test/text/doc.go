// Package text holds how the source is set: code wraps at 120 columns, comments at 100.
package text
