// Command broker runs the embedded broker in a process of its own, with faults on demand. Its
// argument is an order in JSON. It prints its address, then reads one command in JSON per line and
// answers each with a line. It ends when its input ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"rollcall/deploy/demo/embedded"
)

// An order says which broker to start.
type order struct {
	Dir    string
	Addr   string
	Topics []string
}

// A command is one fault.
type command struct {
	Do      string // the name of a method of faults
	Key     int16  // fail: Kafka's number of the request
	Error   int16  // fail: Kafka's number of the error
	Count   int    // fail, corrupt: the number of answers
	Millis  int    // hang, slow: the time
	Applied bool   // holdCommit: the broker takes the commit before its connection ends
}

func main() {
	var o order
	if err := json.Unmarshal([]byte(os.Args[1]), &o); err != nil {
		fail(err)
	}
	network := &network{}
	// Some records claim to be decades old, and must stay.
	const retention = 100 * 365 * 24 * time.Hour
	broker, err := embedded.StartBroker(context.Background(), embedded.BrokerOptions{
		Dir: o.Dir, Addr: o.Addr, Nodes: 3, Topics: o.Topics, Partitions: 3, Retention: retention, Listen: network.listen,
	})
	if err != nil {
		fail(err)
	}
	out := &lines{}
	out.say(broker.Addr())
	f := &faults{cluster: broker.Cluster(), network: network, out: out}
	f.redelivered.watch(f.cluster)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var c command
		err := json.Unmarshal(in.Bytes(), &c)
		if err == nil {
			err = f.do(c)
		}
		if err != nil {
			out.say("error: " + err.Error())
		} else {
			out.say("done")
		}
	}
	broker.Close()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// lines writes each line as a whole, whichever goroutine writes it.
type lines struct{ sync.Mutex }

func (l *lines) say(line string) {
	l.Lock()
	defer l.Unlock()
	fmt.Println(line)
}
