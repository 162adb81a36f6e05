package tables

import (
	"errors"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ErrProfile says that the profile of the ClickHouse user forbids something that every statement
// needs.
var ErrProfile = errors.New("the ClickHouse user's profile does not fit")

// A profileRefusal is an ErrProfile that says what to do about it.
type profileRefusal struct {
	says string
	err  error // the engine's
}

func (r *profileRefusal) Error() string   { return ErrProfile.Error() + ": " + r.says }
func (r *profileRefusal) Unwrap() []error { return []error{ErrProfile, r.err} }

// Codes of the engine for what a profile forbids, and for a setting that a server does not have.
const (
	codeUnknownSetting      = 115
	codeReadonly            = 164
	codeConstraintViolation = 452
)

// profileError returns nil unless the engine refused a statement's settings, or refused a write
// because of the profile.
func profileError(err error) error {
	var e *clickhouse.Exception
	if !errors.As(err, &e) {
		return nil
	}
	said, _, _ := strings.Cut(strings.TrimSpace(e.Message), "\n")
	said = strings.TrimSuffix(said, ".")
	switch {
	case e.Code == codeConstraintViolation, e.Code == codeReadonly && strings.Contains(said, "setting"):
		return &profileRefusal{said +
			"; every statement says its settings, so that no profile can change a result: let the profile have " +
			"neither readonly = 1 nor constraints on them (deploy/clickhouse/users.sql)", err}
	case e.Code == codeReadonly:
		return &profileRefusal{said + "; take readonly out of it: every stage writes, and export its audit", err}
	case e.Code == codeUnknownSetting:
		return &profileRefusal{
			said + "; the server is older than that of deploy/compose.yaml, or a proxy before it changes statements", err,
		}
	}
	return nil
}
