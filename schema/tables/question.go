package tables

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// A Question is a SELECT of few rows. One statement can ask several of them: the engine takes as
// long to receive a statement as to answer a small one.
//
// All questions have the same columns. The values that a question does not need stay "".
type Question struct {
	day, ids, numbers, text string // expressions: Date, Array(UUID), Array(UInt64), String
	from                    string // the FROM clause and what follows it; "": one row
	args                    []any
	take                    func(answerRow) // gets each row of the answer
}

// An answerRow is one row of the answer to one question.
type answerRow struct {
	Question uint8       `ch:"question"`
	Day      time.Time   `ch:"answer_day"`
	IDs      []uuid.UUID `ch:"answer_ids"`
	Numbers  []uint64    `ch:"answer_numbers"`
	Text     string      `ch:"answer_text"`
}

// ask answers the questions by one statement.
func ask(ctx context.Context, conn driver.Conn, questions ...Question) error {
	var arms []string
	var args []any
	for i, q := range questions {
		arms = append(arms, q.arm(i))
		args = append(args, q.args...)
	}
	var rows []answerRow
	if err := conn.Select(ctx, &rows, strings.Join(arms, "\nUNION ALL\n"), args...); err != nil {
		return err
	}
	for _, r := range rows {
		questions[r.Question].take(r)
	}
	return nil
}

// arm is the question's part of the statement. The names of its columns are those of no table's
// column: an expression would mean the answer's column.
func (q Question) arm(number int) string {
	or := func(expression, none string) string {
		if expression == "" {
			return none
		}
		return expression
	}
	return fmt.Sprintf("SELECT %d AS question, %s AS answer_day, %s AS answer_ids, %s AS answer_numbers, %s AS answer_text %s", number,
		or(q.day, "toDate(0)"), or(q.ids, "CAST([], 'Array(UUID)')"), or(q.numbers, "CAST([], 'Array(UInt64)')"),
		or(q.text, "''"), q.from)
}
