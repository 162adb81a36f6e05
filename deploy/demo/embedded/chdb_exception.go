package embedded

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// exception is an error of the engine, or an error that the handler makes in the engine's form:
// ClickHouse's code, and a text that begins with the code.
type exception struct {
	Code int
	Text string // Code: 60. DB::Exception: …. (UNKNOWN_TABLE)
}

func (e *exception) Error() string { return e.Text }

// The ClickHouse codes of errors that the handler makes itself.
const (
	codeCannotReadAll  = 33
	codeBadArguments   = 36
	codeNotImplemented = 48
	codeLogicalError   = 49
	codeUnknownType    = 50
	codeSyntaxError    = 62
	codeUnknownSetting = 115
	codeTooLarge       = 307
	codeCancelled      = 394
	codePoco           = 1000 // an exception of the library Poco, which is not ClickHouse's own
)

var codeNames = map[int]string{
	codeCannotReadAll: "CANNOT_READ_ALL_DATA",
	codeBadArguments:  "BAD_ARGUMENTS", codeNotImplemented: "NOT_IMPLEMENTED", codeLogicalError: "LOGICAL_ERROR",
	codeUnknownType: "UNKNOWN_TYPE",
	codeSyntaxError: "SYNTAX_ERROR", codeUnknownSetting: "UNKNOWN_SETTING", codeTooLarge: "TOO_MANY_BYTES",
	codeCancelled: "QUERY_WAS_CANCELLED",
}

func newException(code int, sentence string) *exception {
	return &exception{
		Code: code, Text: fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", code, strings.TrimSuffix(sentence, "."),
			codeNames[code]),
	}
}

var codePrefix = regexp.MustCompile(`^Code: (\d+)\. `)

// parseException reads the engine's error text.
func parseException(text string) *exception {
	match := codePrefix.FindStringSubmatch(text)
	if match == nil {
		return newException(codeLogicalError, text)
	}
	code, err := strconv.Atoi(match[1])
	if err != nil || code <= 0 {
		return newException(codeLogicalError, text)
	}
	return &exception{Code: code, Text: text}
}

// status is the HTTP status with which a ClickHouse server answers for the code.
func (e *exception) status() int {
	if status, known := exceptionStatus[e.Code]; known {
		return status
	}
	return http.StatusInternalServerError
}

var exceptionStatus = statuses(map[int][]int{
	http.StatusBadRequest: {
		codeBadArguments, codeSyntaxError, codeTooLarge,
		6,      // CANNOT_PARSE_TEXT
		26, 27, // CANNOT_PARSE_QUOTED_STRING, CANNOT_PARSE_INPUT_ASSERTION_FAILED
		38, 41, // CANNOT_PARSE_DATE, CANNOT_PARSE_DATETIME
		42,     // NUMBER_OF_ARGUMENTS_DOESNT_MATCH
		43,     // ILLEGAL_TYPE_OF_ARGUMENT
		52, 53, // the last is TYPE_MISMATCH
		69, 70, 72, // the last is CANNOT_PARSE_NUMBER
		117, // INCORRECT_DATA
		130, 131,
		167, 168, // TOO_DEEP_AST, TOO_BIG_AST
		170, 215, 223, 254, 320, 427, 441, 442, 456,
		457, // BAD_QUERY_PARAMETER
	},
	http.StatusNotFound: {
		16,     // NO_SUCH_COLUMN_IN_TABLE
		46, 47, // the last is UNKNOWN_IDENTIFIER
		codeUnknownType, codeUnknownSetting,
		56, 60, // the last is UNKNOWN_TABLE
		63, 73, // the last is UNKNOWN_FORMAT
		78, 81, // the last is UNKNOWN_DATABASE
		336,
	},
	http.StatusRequestTimeout:     {159, 160 /* TIMEOUT_EXCEEDED, TOO_SLOW */},
	http.StatusNotImplemented:     {codeNotImplemented},
	http.StatusServiceUnavailable: {439 /* CANNOT_SCHEDULE_TASK */},
	http.StatusTooManyRequests:    {202 /* TOO_MANY_SIMULTANEOUS_QUERIES */},
})

func statuses(codes map[int][]int) map[int]int {
	byCode := map[int]int{}
	for status, list := range codes {
		for _, code := range list {
			byCode[code] = status
		}
	}
	return byCode
}
