package tables

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// A Class says what each stage does when a statement failed:
//
//	         ingest                      rollup                             export
//	Passing  repeats the statement; is   leaves the slices for the          answers 503: the client
//	         not ready after a while     next look                          may try again
//	Lasting  repeats the statement; is   goes on with the other batches;    answers 503: the client
//	         not ready meanwhile         exports read the failed slices     may try again once the
//	                                     from the log and stay exact        operator has acted
//	Defect   as Lasting                  as Lasting                         answers 500
//	Unknown  as Passing                  divides the batch, so that no      answers 500
//	                                     slice waits because another fails
//
// All failures are counted by class and name (Failures). All but Passing ones raise the alert
// RollcallClickHouseErrors when they go on for minutes. It has the name.
type Class string

const (
	// Passing: the same statement may succeed later, by itself or once the server has what it
	// lacks: memory, disk space, connections, merges that keep up with inserts, keepers and
	// replicas, quota. That ClickHouse gave no answer is Passing, too.
	Passing Class = "passing"
	// Lasting: the statement cannot succeed before an operator changes the tables, a right, a user's
	// profile, the server's version or what is between. Remedy says which.
	Lasting Class = "lasting"
	// Defect: the server cannot read what this program sent. No operator of ClickHouse can mend that.
	Defect Class = "defect"
	// Unknown: everything else, such as errors that are newer than this program. Only time shows
	// whether it passes, so the statement is repeated and the failure reported.
	Unknown Class = "unknown"
)

var passing = map[int32]string{
	3: "UNEXPECTED_END_OF_FILE", 23: "CANNOT_READ_FROM_ISTREAM", 24: "CANNOT_WRITE_TO_OSTREAM",
	32: "ATTEMPT_TO_READ_AFTER_EOF",
	74: "CANNOT_READ_FROM_FILE_DESCRIPTOR", 75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR", 76: "CANNOT_OPEN_FILE",
	86: "RECEIVED_ERROR_FROM_REMOTE_IO_SERVER",
	95: "CANNOT_READ_FROM_SOCKET", 96: "CANNOT_WRITE_TO_SOCKET", 107: "FILE_DOESNT_EXIST", 159: "TIMEOUT_EXCEEDED",
	160: "TOO_SLOW",
	173: "CANNOT_ALLOCATE_MEMORY", 198: "DNS_ERROR", 201: "QUOTA_EXCEEDED", 202: "TOO_MANY_SIMULTANEOUS_QUERIES",
	203: "NO_FREE_CONNECTION",
	209: "SOCKET_TIMEOUT", 210: "NETWORK_ERROR", 218: "TABLE_IS_DROPPED", 225: "NO_ZOOKEEPER", 232: "NO_SUCH_DATA_PART",
	234: "NO_REPLICA_HAS_PART", 236: "ABORTED",
	241: "MEMORY_LIMIT_EXCEEDED", 242: "TABLE_IS_READ_ONLY", 243: "NOT_ENOUGH_SPACE", 244: "UNEXPECTED_ZOOKEEPER_ERROR",
	252: "TOO_MANY_PARTS",
	254: "NO_ACTIVE_REPLICAS", 265: "NO_AVAILABLE_REPLICA", 279: "ALL_CONNECTION_TRIES_FAILED",
	285: "TOO_FEW_LIVE_REPLICAS",
	286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE", 289: "REPLICA_IS_NOT_IN_QUORUM", 297: "SHARD_HAS_NO_CONNECTIONS",
	319: "UNKNOWN_STATUS_OF_INSERT",
	341: "UNFINISHED", 364: "RECEIVED_ERROR_TOO_MANY_REQUESTS", 369: "ALL_REPLICAS_ARE_STALE",
	384: "PART_IS_TEMPORARILY_LOCKED", 394: "QUERY_WAS_CANCELLED",
	410: "EXTERNAL_SERVER_IS_NOT_RESPONDING", 416: "REPLICA_STATUS_CHANGED", 425: "SYSTEM_ERROR",
	439: "CANNOT_SCHEDULE_TASK", 473: "DEADLOCK_AVOIDED",
	499: "S3_ERROR", 500: "AZURE_BLOB_STORAGE_ERROR", 519: "NO_REMOTE_SHARD_AVAILABLE", 529: "NOT_A_LEADER",
	568: "RAFT_ERROR",
	574: "DISTRIBUTED_TOO_MANY_PENDING_BYTES", 667: "NOT_INITIALIZED", 677: "THREAD_WAS_CANCELED",
	692: "TOO_MANY_MUTATIONS", 693: "AWS_ERROR",
	700: "USER_SESSION_LIMIT_EXCEEDED", 707: "GCP_ERROR", 733: "TABLE_IS_BEING_RESTARTED",
	735: "QUERY_WAS_CANCELLED_BY_CLIENT", 738: "PART_IS_LOCKED",
	745: "SERVER_OVERLOADED", 749: "TCP_CONNECTION_LIMIT_REACHED", 762: "HTTP_CONNECTION_LIMIT_REACHED",
	763: "SESSION_REFUSED", 776: "RESOURCE_LIMIT_EXCEEDED",
	777: "MEMORY_RESERVATION_KILLED", 778: "MEMORY_RESERVATION_FAILED", 904: "TOO_MANY_UNAVAILABLE_SHARDS",
	999: "KEEPER_EXCEPTION",
}

// refusals are the errors that are Lasting, by what an operator does about them.
var refusals = []struct {
	remedy string
	names  map[int32]string
}{
	{"run `rollcall migrate --check`, then `rollcall migrate`, or the binary that fits the tables", map[int32]string{
		7: "INCORRECT_NUMBER_OF_COLUMNS", 8: "THERE_IS_NO_COLUMN", 10: "NOT_FOUND_COLUMN_IN_BLOCK",
		16: "NO_SUCH_COLUMN_IN_TABLE", 20: "NUMBER_OF_COLUMNS_DOESNT_MATCH", 43: "ILLEGAL_TYPE_OF_ARGUMENT",
		44: "ILLEGAL_COLUMN", 47: "UNKNOWN_IDENTIFIER", 53: "TYPE_MISMATCH", 60: "UNKNOWN_TABLE", 70: "CANNOT_CONVERT_TYPE",
		81: "UNKNOWN_DATABASE", 349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN", 691: "UNKNOWN_ELEMENT_OF_ENUM",
	}},
	{"give the ClickHouse user the rights of its stage: deploy/clickhouse/users.sql has them", map[int32]string{
		291: "DATABASE_ACCESS_DENIED", 446: "FUNCTION_NOT_ALLOWED", 497: "ACCESS_DENIED",
	}},
	{"take readonly, constraints and limits that are too low out of the profile of the ClickHouse user: " +
		"deploy/clickhouse/users.sql has one that works", map[int32]string{
		164: "READONLY", 452: "SETTING_CONSTRAINT_VIOLATION", 472: "READONLY_SETTING", 565: "TOO_MANY_PARTITIONS",
	}},
	{"correct the user in the ClickHouse URL, its password, or the hosts that it may come from", map[int32]string{
		192: "UNKNOWN_USER", 193: "WRONG_PASSWORD", 194: "REQUIRED_PASSWORD", 195: "IP_ADDRESS_NOT_ALLOWED",
		516: "AUTHENTICATION_FAILED", 720: "USER_EXPIRED",
	}},
	{"have the table's disk take writes again: it is on a disk that is read-only for good", map[int32]string{
		774: "TABLE_IS_PERMANENTLY_READ_ONLY",
	}},
	{"the server is older than Rollcall needs, or newer than it knows: run the version of deploy/compose.yaml",
		map[int32]string{
			46: "UNKNOWN_FUNCTION", 48: "NOT_IMPLEMENTED", 50: "UNKNOWN_TYPE", 63: "UNKNOWN_AGGREGATE_FUNCTION",
			73: "UNKNOWN_FORMAT", 115: "UNKNOWN_SETTING",
		}},
}

// remedyOfOther is what an operator does where no ClickHouse answers.
const remedyOfOther = "what answers at the ClickHouse URL is not ClickHouse: correct its host and port, or the proxy between"

var lasting, remedies = func() (names, remedies map[int32]string) {
	names = map[int32]string{}
	remedies = map[int32]string{}
	for _, refused := range refusals {
		for code, name := range refused.names {
			names[code] = name
			remedies[code] = refused.remedy
		}
	}
	return names, remedies
}()

var defects = map[int32]string{
	27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED", 33: "CANNOT_READ_ALL_DATA", 42: "NUMBER_OF_ARGUMENTS_DOESNT_MATCH",
	62: "SYNTAX_ERROR", 117: "INCORRECT_DATA",
}

// Remedy says what an operator does about a Lasting failure. It is "" for all others.
func Remedy(err error) string {
	if class, _ := Classify(err); class != Lasting {
		return ""
	}
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return remedies[exception.Code]
	}
	return remedyOfOther
}

// Divisible says whether part of a statement's work may succeed where all of it failed: because it
// was too much for the server, or because a single row may have caused the failure.
func Divisible(err error) bool {
	class, name := Classify(err)
	return class == Unknown || name == "MEMORY_LIMIT_EXCEEDED" || name == "TIMEOUT_EXCEEDED"
}

// Names of failures that are not exceptions of ClickHouse.
const (
	NoAnswer = "NO_ANSWER" // also the answer of a proxy that got none
	Other    = "OTHER"     // an answer that is not ClickHouse's, or an error of the driver
)

var exceptionName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,63}$`)

// Classify returns a failure's class, and ClickHouse's name for it.
func Classify(err error) (Class, string) {
	var exception *clickhouse.Exception
	var answered *clickhouse.HTTPError
	switch {
	case errors.As(err, &exception):
		if name, known := passing[exception.Code]; known {
			return Passing, name
		}
		if name, known := lasting[exception.Code]; known {
			return Lasting, name
		}
		if name, known := defects[exception.Code]; known {
			return Defect, name
		}
		if exceptionName.MatchString(exception.CodeName) {
			return Unknown, exception.CodeName
		}
		return Unknown, fmt.Sprintf("CODE_%d", exception.Code)
	case cutOff(err), errors.As(err, &answered) &&
		(answered.StatusCode >= 500 || answered.StatusCode == http.StatusTooManyRequests):
		return Passing, NoAnswer
	case answered != nil:
		return Lasting, Other
	}
	return Unknown, Other
}

// cutOff says that no answer came, or only part of one.
func cutOff(err error) bool {
	var network net.Error
	if errors.As(err, &network) {
		return true
	}
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded, clickhouse.ErrAcquireConnTimeout} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// maxNames limits how many names of unknown failures are counted separately, so that no server can
// create time series without limit.
const maxNames = 50

// Failures counts the statements that failed. A nil Failures counts nothing.
type Failures struct {
	total *prometheus.CounterVec
	stage string

	mu    sync.Mutex
	names map[string]bool
}

// NewFailures makes the counters of one stage. The stages of one process share the metric.
func NewFailures(reg prometheus.Registerer, stage string) *Failures {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_clickhouse_errors_total",
		Help: "Statements that failed, by ClickHouse's name for the error and by what it means: " +
			"passing, lasting (until an operator changes something), defect (ClickHouse cannot read what was sent), unknown.",
	}, []string{"stage", "class", "error"})
	err := reg.Register(total)
	var registered prometheus.AlreadyRegisteredError
	switch {
	case errors.As(err, &registered):
		total = registered.ExistingCollector.(*prometheus.CounterVec)
	case err != nil:
		panic(err) // as MustRegister does
	}
	return &Failures{total: total, stage: stage, names: map[string]bool{}}
}

// see counts a failure. A statement whose caller gave up, and an answer without rows, are no
// failures.
func (f *Failures) see(err error) {
	if f == nil || err == nil || errors.Is(err, context.Canceled) || errors.Is(err, sql.ErrNoRows) {
		return
	}
	class, name := Classify(err)
	if class == Unknown {
		name = f.bounded(name)
	}
	f.total.WithLabelValues(f.stage, string(class), name).Inc()
}

func (f *Failures) bounded(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.names[name] && len(f.names) == maxNames {
		return Other
	}
	f.names[name] = true
	return name
}
