package tables

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"rollcall/schema"
)

// BenchmarkRequests measures what a request costs its client and the reading of its head and body,
// with the parameters in the URL (as the driver makes it) and in a form. The answer is empty. The
// metric cpu-µs/op is CPU time, which others on the machine change less.
func BenchmarkRequests(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer server.Close()
	plan := Plan{Org: "acme", From: 20_000, To: 20_365}
	for range 366 {
		plan.Generations = append(plan.Generations, uuid.New())
		plan.Live = append(plan.Live, schema.Day(20_000))
	}
	for name, statement := range map[string]struct {
		sql    string
		params map[string]string
	}{
		"SELECT 1":      {"SELECT 1", nil},
		"a year's plan": {strings.Repeat("SELECT 1 -- as long as that of an export\n", 300), plan.Params()},
	} {
		fields := url.Values{"database": {"rollcall"}}
		for name, value := range settings {
			fields.Set(name, fmt.Sprint(value))
		}
		for name, value := range statement.params {
			fields.Set(paramPrefix+name, value)
		}
		base := server.Client().Transport.(*http.Transport)
		for where, client := range map[string]*http.Client{
			"in the URL": {Transport: base}, "in a form": {Transport: forms{base}},
		} {
			b.Run(name+"/"+where, func(b *testing.B) {
				before := cpu()
				for b.Loop() {
					address := server.URL + "/?" + fields.Encode() // as the driver does for each statement
					response, err := client.Do(request(address, statement.sql))
					if err != nil || response.StatusCode != http.StatusOK {
						b.Fatal(response, err)
					}
					response.Body.Close()
				}
				b.ReportMetric(float64((cpu()-before).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
			})
		}
	}
}

// request has no content type, as the driver's have none.
func request(address, statement string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(statement))
	if err != nil {
		panic(err)
	}
	return r
}

// cpu is the CPU time of this process so far.
func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
