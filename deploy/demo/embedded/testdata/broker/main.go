// Command broker runs an embedded broker in a process of its own, for tests that kill it. Its
// arguments are the directory and, optionally, the address and the number of nodes. It prints its
// address.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"rollcall/deploy/demo/embedded"
)

func main() {
	opts := embedded.BrokerOptions{Dir: os.Args[1]}
	var err error
	if len(os.Args) > 3 {
		opts.Addr = os.Args[2]
		opts.Nodes, err = strconv.Atoi(os.Args[3])
	}
	var broker *embedded.Broker
	if err == nil {
		broker, err = embedded.StartBroker(context.Background(), opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(broker.Addr())
	select {}
}
