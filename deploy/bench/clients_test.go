package bench

import (
	"errors"
	"sync"
	"testing"
	"time"

	"rollcall/export/query"
)

// In a round, all clients ask at the same time, each for the types in turn. Every export counts.
func TestARoundOfClients(t *testing.T) {
	const clients = 3
	types := []query.Type{query.Users, query.Models}
	var mu sync.Mutex
	asked := map[query.Type]int{}
	var together sync.WaitGroup // nobody gets an answer before all have asked
	together.Add(clients)
	l := load{clients: clients, cpu: func() time.Duration { return time.Duration(len(asked)) * time.Second }}
	l.ask = func(of query.Type) (download, error) {
		mu.Lock()
		asked[of]++
		n := asked[query.Users] + asked[query.Models]
		mu.Unlock()
		if n <= clients {
			together.Done()
		}
		together.Wait()
		return download{total: time.Duration(n) * time.Second}, nil
	}
	if err := l.round(types); err != nil {
		t.Fatal(err)
	}
	got := l.result()
	const all = clients * inARow
	if got.Exports != all || got.P50 != all/2+1 || got.P99 != all || got.CPU != 2.0/all || got.PerSecond <= 0 ||
		asked[query.Users] != all/2 || asked[query.Models] != all/2 {
		t.Errorf("%+v, asked %v", got, asked)
	}
	failure := errors.New("answered 500")
	l.ask = func(query.Type) (download, error) { return download{}, failure }
	if err := l.round(types); !errors.Is(err, failure) {
		t.Errorf("a client that failed: %v", err)
	}
}
