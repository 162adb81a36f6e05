package schema

import (
	"math"
	"time"
)

// firstDate and lastDay bound what the tables' Date32 and DateTime64(3) hold: 1900-01-01 …
// 2299-12-31.
var (
	firstDate = DayOf(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC))
	lastDay   = DayOf(time.Date(2299, 12, 31, 0, 0, 0, 0, time.UTC))
)

const leapSecond = 60

// parseTime reads RFC 3339: YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm). T and Z may be lower-case.
// The fraction may have any length and is truncated to milliseconds. A leap second (60), with any
// fraction, is the last millisecond before it: a UTC day of 86,400 s has no place for it.
func parseTime(b []byte) (Millis, bool) {
	if len(b) < len("2026-10-31T08:15:30Z") || b[10]|0x20 != 't' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	day, ok := parseDay(b[:10])
	hour, ok1 := twoDigits(b[11:], 23)
	minute, ok2 := twoDigits(b[14:], 59)
	second, ok3 := twoDigits(b[17:], leapSecond)
	if !(ok && ok1 && ok2 && ok3) {
		return 0, false
	}
	ms, rest, ok := fraction(b[19:])
	offset, ok1 := zone(rest)
	if !ok || !ok1 {
		return 0, false
	}
	if second == leapSecond {
		second = leapSecond - 1
		ms = 999
	}
	return Millis(int64(day)*86_400_000 + int64(hour*3600+minute*60+second-offset)*1000 + ms), true
}

// fraction reads ".123456" into milliseconds, rounded down, and returns what follows.
func fraction(b []byte) (ms int64, rest []byte, ok bool) {
	if b[0] != '.' {
		return 0, b, true
	}
	i := 1
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		switch i {
		case 1:
			ms = int64(b[i]-'0') * 100
		case 2:
			ms += int64(b[i]-'0') * 10
		case 3:
			ms += int64(b[i] - '0')
		}
	}
	return ms, b[i:], i > 1
}

// zone reads Z or ±hh:mm into seconds east of UTC.
func zone(b []byte) (offset int, ok bool) {
	if len(b) == 1 {
		return 0, b[0]|0x20 == 'z'
	}
	if len(b) != 6 || b[3] != ':' || (b[0] != '+' && b[0] != '-') {
		return 0, false
	}
	hours, ok1 := twoDigits(b[1:], 23)
	minutes, ok2 := twoDigits(b[4:], 59)
	offset = hours*3600 + minutes*60
	if b[0] == '-' {
		offset = -offset
	}
	return offset, ok1 && ok2
}

func twoDigits(b []byte, most int) (n int, ok bool) {
	tens := b[0] - '0'
	ones := b[1] - '0'
	n = int(tens)*10 + int(ones)
	return n, tens <= 9 && ones <= 9 && n <= most
}

// parseDay reads a real date, YYYY-MM-DD.
func parseDay(b []byte) (Day, bool) {
	if len(b) != 10 || b[4] != '-' || b[7] != '-' {
		return 0, false
	}
	century, ok1 := twoDigits(b, 99)
	years, ok2 := twoDigits(b[2:], 99)
	month, ok3 := twoDigits(b[5:], 12)
	day, ok4 := twoDigits(b[8:], 31)
	year := century*100 + years
	if !(ok1 && ok2 && ok3 && ok4) || month == 0 || day == 0 || day > daysIn(year, month) {
		return 0, false
	}
	return civil(year, month, day), true
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// civil counts the days from 1970-01-01 to a date of the Gregorian calendar. Its years start in
// March, so that the leap day is the last day of a year.
func civil(year, month, day int) Day {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	ofEra := year - era*400
	ofYear := (153*(month-3)+2)/5 + day - 1
	return Day(era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468)
}

// parseDate reads a date field that the tables can hold.
func parseDate(v field) (Day, bool) {
	if v.kind != text {
		return 0, false
	}
	day, ok := parseDay(v.bytes)
	return day, ok && day >= firstDate && day <= lastDay
}

// parseCount reads an integer without sign, fraction and exponent.
func parseCount(v field) (uint32, bool) {
	if v.kind != number || len(v.bytes) > 10 {
		return 0, false
	}
	var n uint64
	for _, c := range v.bytes {
		digit := c - '0'
		if digit > 9 {
			return 0, false
		}
		n = n*10 + uint64(digit)
	}
	return uint32(n), n <= math.MaxUint32
}
