package query

import (
	"testing"
	"time"
)

// The days around New Year after a leap year have their noon like all others, in finite time. Go's
// ZoneBounds says of 31 December of a leap year that its zone's period ends where the day begins.
func TestDaysAroundTheEndOfALeapYear(t *testing.T) {
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for _, name := range []string{
			"UTC", "Europe/Berlin", "Europe/Malta", "America/New_York", "America/Havana", "Australia/Sydney", "Africa/Cairo",
			"Asia/Kolkata", "Pacific/Auckland", "Pacific/Kiritimati",
		} {
			zone, err := loadZone("timezone", name)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, year := range []int{2024, 2027, 2028, 2032, 2096, 2400, 9984} {
				for _, day := range []int{30, 31, 32} {
					noon := time.Date(year, 12, day, 12, 0, 0, 0, zone)
					for _, w := range []which{first, second} {
						if got := resolve(time.Date(year, 12, day, 12, 0, 0, 0, time.UTC), zone, w); !got.Equal(noon) {
							t.Errorf("%s: %s, not %s", name, got, noon)
						}
					}
				}
			}
		}
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second): // they take milliseconds
		t.Fatal("the days do not end")
	}
}
