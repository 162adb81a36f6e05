package oracle

import (
	"math/big"
	"time"
)

// adoption has one row for its bucket. One that begins after today has none without usage.
func (x *export) adoption() (Table, error) {
	var rows []row
	if !x.ahead || len(x.usage) > 0 {
		rows = []row{{events: x.usage}}
	}
	members, joined := 0, 0
	for user := range x.members() {
		h := x.people[user]
		said := x.attributesOf(h)
		if !passesOwn(belonging(said), x.Filters) {
			continue
		}
		members++
		if x.joined(h, said.Joined) {
			joined++
		}
	}
	inWeek, err := x.activeWithin(7)
	if err != nil {
		return Table{}, err
	}
	inMonth, err := x.activeWithin(30)
	if err != nil {
		return Table{}, err
	}
	rate := Cell{Kind: Number}
	if n, known := new(big.Int).SetString(inMonth.Text, 10); known {
		rate = ratio(n, big.NewInt(int64(members)), 4)
	}
	return x.table(rows, "messages", []column{
		{"members", func(row) Cell { return count(members) }},
		{"new_members", func(row) Cell { return count(joined) }},
		{"active_users", func(r row) Cell { return count(distinct(r.events, userOf)) }},
		{"active_users_7d", func(row) Cell { return inWeek }},
		{"active_users_30d", func(row) Cell { return inMonth }},
		{"adoption_rate_30d", func(row) Cell { return rate }},
		{"messages", func(r row) Cell { return count(len(ofType(r.events, messageType))) }},
		requests,
	}), nil
}

// joined tells whether the user joined in the period or, if that was never said, was first
// mentioned in it.
func (x *export) joined(h history, date string) bool {
	if date != "" {
		return date >= x.from && date <= x.to
	}
	return len(h) > 0 && h[0].Time >= x.start && h[0].Time < x.end
}

// activeWithin counts the users with usage in the days that end with the period. It is empty if the
// first of these days cannot be exported.
func (x *export) activeWithin(days int) (Cell, error) {
	last, err := time.Parse(time.DateOnly, x.to)
	if err != nil {
		return Cell{}, err
	}
	q := x.Query
	q.Range, q.To = "", x.to
	q.From = last.AddDate(0, 0, 1-days).Format(time.DateOnly)
	today, err := x.today()
	if err != nil || q.From < yearBefore(today) {
		return Cell{Kind: Number}, err
	}
	window, err := q.period()
	return count(distinct(filter(x.in(window), x.passes), userOf)), err
}

// yearBefore is the same date of the year before; of 29 February it is the 28th.
func yearBefore(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		panic(err) // today has a date
	}
	before := t.AddDate(-1, 0, 0)
	if before.Day() != t.Day() {
		before = before.AddDate(0, 0, -before.Day())
	}
	return before.Format(time.DateOnly)
}
