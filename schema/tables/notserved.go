package tables

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// notServed is an error that says in one sentence why a server serves nothing at all: the database,
// the user or the server itself is not the one that the URL should name. The driver's own text
// begins with the driver's steps and does not say what to do.
type notServed struct {
	says string
	err  error
}

func (n *notServed) Error() string { return n.says }
func (n *notServed) Unwrap() error { return n.err }

// Codes of the engine for a database or user that it does not serve.
const (
	codeUnknownDatabase      = 81
	codeUnknownUser          = 192
	codeWrongPassword        = 193
	codeRequiredPassword     = 194
	codeAuthenticationFailed = 516
)

// notServedError is nil unless err says that the server serves nothing to this client.
func notServedError(err error) error {
	var refused *clickhouse.Exception
	var answered *clickhouse.HTTPError
	switch {
	case errors.As(err, &refused):
		if says := refusal(refused); says != "" {
			return &notServed{says, err}
		}
	case errors.As(err, &answered):
		said := fmt.Sprintf("HTTP %d, %.100s", answered.StatusCode,
			strings.Join(strings.Fields(fmt.Sprint(answered.Err)), " "))
		if answered.StatusCode >= 500 { // a proxy that does not reach its ClickHouse
			return &notServed{"what answers at the ClickHouse URL does not reach ClickHouse: " + said, err}
		}
		return &notServed{"what answers at the ClickHouse URL is not ClickHouse, correct its host and port: " + said, err}
	}
	return nil
}

func refusal(e *clickhouse.Exception) string {
	said, _, _ := strings.Cut(e.Message, "\n")
	switch e.Code {
	case codeUnknownDatabase:
		name, _, ok := strings.Cut(strings.TrimPrefix(said, "Database "), " does not exist")
		if !ok {
			name = "of that name"
		}
		return "ClickHouse has no database " + name +
			": correct the last part of the ClickHouse URL, or make the database with `rollcall migrate`"
	case codeAuthenticationFailed, codeUnknownUser, codeWrongPassword, codeRequiredPassword:
		user, _, ok := strings.Cut(said, ": Authentication failed")
		if !ok {
			user = "of the ClickHouse URL"
		}
		return "ClickHouse does not let the user " + user + " in: correct the user in the ClickHouse URL, or the password"
	}
	return ""
}
